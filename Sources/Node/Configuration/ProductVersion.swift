// What this program says it is. Clients switch features on by etcd's numbers (reference:
// process.md, reported versions); the product's own appears beside them.

public enum ProductVersion {
    /// Of the API served.
    public static let etcd = "3.7.1"
    /// Of the protocol among members, of a cluster whose members are all of this version.
    public static let cluster = "3.7.0"
    /// Of the data on disk.
    public static let storage = "3.7.0"
    /// Cairn's own.
    public static let cairn = "0.1.0"

    /// The answer to `--version`: etcd's four lines, whose readers count on their names, and ours.
    static let lines = """
        etcd Version: \(etcd)
        Git SHA: cairn-\(cairn)
        Go Version: none
        Go OS/Arch: linux/\(architecture)
        Cairn Version: \(cairn)

        """

    private static var architecture: String {
        #if arch(arm64)
            "arm64"
        #else
            "amd64"
        #endif
    }
}
