// The versions of etcd that this member stands for. Clients switch features on by them
// (reference: process.md, Reported versions); Cairn's own version is Node's to tell.

package enum ServedVersion {
    package static let server = "3.7.1"
    package static let cluster = "3.7.0"
}
