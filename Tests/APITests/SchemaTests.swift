import Foundation
import Testing

@testable import API

/// The declarations of the .proto files, one line each, in the terms of api-messages.tsv.
///
/// Reads the plain style our files are written in: one declaration a line.
struct ProtoFile {
    var declarations: Set<String> = []

    init(_ text: String) throws {
        var package = ""
        var scope: [String] = []
        for line in text.split(separator: "\n").map({ $0.trimmingCharacters(in: .whitespaces) }) {
            if line.hasPrefix("//") || line.hasPrefix("syntax") || line.hasPrefix("import") {
                continue
            }
            var words = line.replacing(";", with: "").split(separator: " ").map(String.init)
            let owner = scope.filter { !$0.hasPrefix("oneof ") }.joined(separator: ".")
            switch words[0] {
            case "package": package = words[1]
            case "message", "enum":
                scope.append(words[1])
                let name = (owner.isEmpty ? "" : owner + ".") + words[1]
                declarations.insert("\(words[0]) \(package).\(name)")
                if words[2] == "{}" { scope.removeLast() }
            case "oneof": scope.append("oneof \(words[1])")
            case "}": scope.removeLast()
            case "reserved": declarations.insert("reserved \(package).\(owner) \(words[1])")
            default:
                var label = scope.last?.hasPrefix("oneof ") == true ? scope[scope.count - 1] : ""
                if words[0] == "optional" || words[0] == "repeated" { label = words.removeFirst() }
                if words.count == 3 {  // NAME = 1
                    declarations.insert("value \(package).\(owner) \(words[2]) \(words[0])")
                } else {
                    // Strings that are read as bytes, whatever these are.
                    let type = words.last == "string" ? "string" : words[0]
                    let (name, number) = (words[1], words[3])
                    declarations.insert(
                        "field \(package).\(owner) \(number) \(name) \(Self.short(type)) \(label)")
                }
            }
        }
    }

    /// A type's last name: `.proto` files may leave out the scopes before it.
    static func short(_ type: String) -> String {
        type.split(separator: ".").last.map(String.init)!
    }
}

@Suite("The .proto files")
struct SchemaTests {
    let folder = Reference.root.appending(path: "Sources/C/CMessages/proto")

    @Test(
        "Every message, field, enum and value of etcd's schemas is there, and nothing else",
        .enabled(
            if: Reference.shared("reference/api-messages.tsv") != nil,
            "no ../shared/reference here"))
    func complete() throws {
        var ours: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.path())
        where file.hasSuffix(".proto") && file != "health.proto" {
            let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
            ours.formUnion(try ProtoFile(text).declarations)
        }
        var theirs: Set<String> = []
        for row in try Reference.rows("api-messages.tsv") {
            let (kind, owner) = (row[0], "\(row[2]).\(row[3])")
            switch kind {
            case "message", "enum": theirs.insert("\(kind) \(owner)")
            case "value": theirs.insert("value \(owner) \(row[4]) \(row[5])")
            case "reserved":
                theirs.insert("reserved \(owner) \(row[4].isEmpty ? "\"\(row[5])\"" : row[4])")
            default:
                theirs.insert(
                    "field \(owner) \(row[4]) \(row[5]) \(ProtoFile.short(row[6])) \(row[7])")
            }
        }
        #expect(theirs.count > 500)
        #expect(theirs.subtracting(ours).sorted() == [])
        #expect(ours.subtracting(theirs).sorted() == [])
    }

    @Test("raft, wal, snap and etcdserver are proto2, the rest proto3")
    func syntaxes() throws {
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.path()) {
            let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
            let isOld = ["raft.proto", "record.proto", "snap.proto", "etcdserver.proto"]
                .contains(file)
            #expect(text.contains("syntax = \"proto\(isOld ? 2 : 3)\";"), "\(file)")
        }
    }
}

@Suite("The generated C")
struct GeneratedCodeTests {
    static let hasCompiler = ["/usr/bin", "/usr/local/bin"]
        .contains { FileManager.default.isExecutableFile(atPath: "\($0)/protoc-c") }

    @Test(
        "What is committed is what the .proto files give", .enabled(if: hasCompiler, "no protoc-c"))
    func unchanged() throws {
        let script = Process()
        script.executableURL = Reference.root.appending(path: "Scripts/generate-messages.sh")
        script.arguments = ["--check"]
        try script.run()
        script.waitUntilExit()
        #expect(script.terminationStatus == 0)
    }
}
