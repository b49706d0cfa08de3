// The server: `cairn [flags]`.

import Node

let (configuration, log) = Program.configured()
log.logger().info("starting an etcd server", metadata: .fields(configuration.logFields))
