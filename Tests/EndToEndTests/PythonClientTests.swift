import Foundation
import Testing

extension EndToEnd {
    /// The Python clients of PyPI, in the environment that Scripts/python-clients.sh makes.
    @Suite("Python clients against a member")
    struct PythonClientTests {
        private static let repository = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        private static let python = repository.appendingPathComponent(".build-venv/run").path
        private static let exists = FileManager.default.isExecutableFile(atPath: python)

        @Test(
            "put, read, list and delete; watch; leases and locks",
            .enabled(if: exists, "Scripts/python-clients.sh makes the environment they need"),
            arguments: [
                "etcd3_tour.py", "aetcd_tour.py", "etcd3_watch.py", "aetcd_watch.py",
                "etcd3_leases.py", "aetcd_leases.py",
            ])
        func tour(_ script: String) throws {
            let member = try MemberProcess()
            let file = Self.repository
                .appendingPathComponent("Tests/EndToEndTests/Python/\(script)")
            let result = try run(Self.python, [file.path, "127.0.0.1", String(member.port)])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output == "ok\n")
        }
    }
}
