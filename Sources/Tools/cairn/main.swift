// The server: `cairn [flags]`.

import Node

Program.serve()
