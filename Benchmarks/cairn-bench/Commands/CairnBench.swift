// cairn-bench: load for etcd's API, and what it costs the server.

import ArgumentParser

@main
struct CairnBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cairn-bench", abstract: "Loads a server of etcd's API and measures it.",
        subcommands: [
            LoadCommand.self, CompareCommand.self, InProcessCommand.self, KeysCommand.self,
            IndexCommand.self, WatchCommand.self, LeaseCommand.self, LinksCommand.self,
            ChurnCommand.self, BesideCommand.self, JoinCommand.self, HandshakesCommand.self,
            RightsCommand.self, LoginsCommand.self,
        ])
}
