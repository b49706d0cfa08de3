import Foundation

/// A variable of the environment, for tests that can do more when asked to.
func environment(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }
