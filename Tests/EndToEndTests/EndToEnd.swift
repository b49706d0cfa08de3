// All that runs a member in a process of its own: one story after the other, for each of them wants
// the whole machine.

import Testing

@Suite("end to end", .serialized)
enum EndToEnd {}
