import Foundation
import Testing

/// The repository as those see it who deploy from it, and the tools they do it with.
enum Deployment {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    /// Where `tools/setup` puts what Debian does not have.
    private static let environment = root.appending(path: ".build-manifests/bin")

    static func path(_ path: String) -> String { root.appending(path: path).path }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    static func files(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path(folder)).sorted()
    }

    /// A program of `tools/setup`: its own Python environment first, then PATH. A missing one is a failure, not a skip.
    static func tool(_ name: String) throws -> String {
        let folders =
            [environment.path]
            + (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let found = folders.map { $0 + "/" + name }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return try #require(found, "\(name): not there: run tools/setup")
    }

    /// What a program said.
    struct Output {
        var status: Int32
        var text: String
        var errors: String
    }

    /// Runs a program to its end. Output beyond a pipe's buffer goes to files, so nothing waits for a reader.
    static func run(_ program: String, _ arguments: [String], input: String = "", environment: [String: String] = [:])
        throws
        -> Output
    {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let (input, output, errors) = try (
            folder.write("in", input), folder.write("out", ""), folder.write("err", "")
        )
        let process = Process()
        // Threads of the test have signals blocked, and a program inherits that.
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["--default-signal", program] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle(forReadingAtPath: input)
        process.standardOutput = FileHandle(forWritingAtPath: output)
        process.standardError = FileHandle(forWritingAtPath: errors)
        try process.run()
        process.waitUntilExit()
        return Output(
            status: process.terminationStatus, text: try String(contentsOfFile: output, encoding: .utf8),
            errors: try String(contentsOfFile: errors, encoding: .utf8))
    }
}

/// A folder that is gone after the test.
struct TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "apus-deploy-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    var path: String { url.path }

    func remove() { try? FileManager.default.removeItem(at: url) }

    /// Its path.
    @discardableResult
    func write(_ name: String, _ text: String, executable: Bool = false) throws -> String {
        let file = url.appending(path: name)
        try Data(text.utf8).write(to: file)
        if executable { try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path) }
        return file.path
    }
}
