import Foundation
import Testing

struct FormatTests {
    /// `make format` repairs what this finds.
    @Test func everySwiftFileIsFormatted() throws {
        let output = FileManager.default.temporaryDirectory.appending(path: "apus-format-\(UUID().uuidString).txt")
        try Data().write(to: output)
        defer { try? FileManager.default.removeItem(at: output) }
        let lint = Process()
        lint.executableURL = URL(filePath: "/usr/bin/env")
        lint.currentDirectoryURL = Project.root
        lint.arguments = [
            "swift", "format", "lint", "--recursive", "--strict", "Sources", "Tests", "tools", "Package.swift",
        ]
        // A file, not a pipe: a pipe that nobody reads while the tool runs would fill up and stop it.
        lint.standardError = try FileHandle(forWritingTo: output)
        try lint.run()
        lint.waitUntilExit()
        let complaints = try String(contentsOf: output, encoding: .utf8)
        #expect(lint.terminationStatus == 0, "swift format: \(complaints)")
    }
}
