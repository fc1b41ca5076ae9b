import Foundation
import Model
import Testing

@testable import Control

/// A file on disk that changes in all the ways files change, and what the sink hears of it.
@Suite(.timeLimit(.minutes(1))) struct FileSourceTests {
    @Test func writesAndRenamesAreDelivered() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/apus.yaml"
        try write("version: 1", to: file)
        try await withSource(file) { sink, _ in
            try write("version: 1\ndrainTimeout: 1s", to: file)
            #expect(await sink.next() == .applied(drainSeconds: 1, restart: []))
            try write("version: 1\ndrainTimeout: 2s", to: file + ".new")
            try move(file + ".new", over: file)
            #expect(await sink.next() == .applied(drainSeconds: 2, restart: []))
        }
    }

    @Test func aMountedConfigMapIsFollowed() async throws {
        let directory = try TemporaryDirectory()
        let root = directory.path
        func publish(_ version: String, _ text: String) throws {
            try FileManager.default.createDirectory(atPath: root + "/" + version, withIntermediateDirectories: false)
            try write(text, to: "\(root)/\(version)/apus.yaml")
            try link(root + "/..data_tmp", to: version)
            try move(root + "/..data_tmp", over: root + "/..data")
        }
        try publish("..1", "version: 1")
        try link(root + "/apus.yaml", to: "..data/apus.yaml")
        try await withSource(root + "/apus.yaml") { sink, _ in
            for version in 2...4 {
                try publish("..\(version)", "version: 1\ndrainTimeout: \(version)s")
                try FileManager.default.removeItem(atPath: root + "/..\(version - 1)")
                #expect(await sink.next() == .applied(drainSeconds: version, restart: []))
            }
        }
    }

    @Test func aBadFileIsRefusedAndAGoodOneEndsThat() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/apus.yaml"
        try write("version: 1\ndrainTimeout: 1s", to: file)
        try await withSource(file) { sink, _ in
            try write("version: 1\ndrainTimeout: soon\nworker: 1", to: file)
            guard case .refused(let text) = await sink.next() else {
                Issue.record("a bad file was applied")
                return
            }
            #expect(text.contains("\(file):2:15: drainTimeout: is \"soon\""))
            #expect(text.contains("\(file):3:1: worker: unknown key"))
            // The text it runs already: delivered all the same, because it ends the refusal.
            try write("version: 1\ndrainTimeout: 1s", to: file)
            #expect(await sink.next() == .applied(drainSeconds: 1, restart: []))
        }
    }

    @Test func aDeletedFileIsRefusedAndMayReturn() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/sub/apus.yaml"
        try FileManager.default.createDirectory(atPath: directory.path + "/sub", withIntermediateDirectories: false)
        try write("version: 1", to: file)
        try await withSource(file) { sink, _ in
            try FileManager.default.removeItem(atPath: directory.path + "/sub")
            #expect(
                await sink.next()
                    == .refused(
                        "\(file):1:1: the file cannot be read: no such file or directory, expected a readable file"))
            try FileManager.default.createDirectory(atPath: directory.path + "/sub", withIntermediateDirectories: false)
            try write("version: 1\ndrainTimeout: 3s", to: file)
            #expect(await sink.next() == .applied(drainSeconds: 3, restart: []))
        }
    }

    @Test func reloadDeliversAnUnchangedFile() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/apus.yaml"
        try write("version: 1\ndrainTimeout: 4s", to: file)
        try await withSource(file) { sink, source in
            await source.reload()
            #expect(await sink.next() == .applied(drainSeconds: 4, restart: []))
        }
    }

    @Test func whatNeedsARestartIsNamedUntilItIsTakenBack() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/apus.yaml"
        try write("version: 1\nworkers: 1", to: file)
        try await withSource(file) { sink, _ in
            try write("version: 1\nworkers: 2\ndrainTimeout: 1s", to: file)
            #expect(await sink.next() == .applied(drainSeconds: 1, restart: ["workers"]))
            try write("version: 1\nworkers: 1\ndrainTimeout: 2s", to: file)
            #expect(await sink.next() == .applied(drainSeconds: 2, restart: []))
        }
    }

    @Test func overridesHoldForEveryReading() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/apus.yaml"
        try write("version: 1\nworkers: 1", to: file)
        let source = try FileSource(path: file, environment: [:]) { $0.workers = 7 }
        #expect(source.initial.workers == 7)
        let sink = RecordingSink()
        let task = Task { await source.run(sink: sink) }
        await source.reload()
        #expect(await sink.next() == .applied(drainSeconds: 30, restart: []))
        task.cancel()
        await task.value
    }

    @Test func aBadFileAtStartThrows() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/apus.yaml"
        #expect(throws: ConfigurationProblems.self) { try FileSource(path: file, environment: [:]) }
        #expect(throws: ConfigurationProblems.self) { try FileSource(path: directory.path, environment: [:]) }
    }

    private func write(_ text: String, to file: String) throws {
        try text.write(toFile: file, atomically: false, encoding: .utf8)
    }

    private func link(_ file: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: target)
    }

    /// One rename: what was at `target` is replaced and never absent.
    private func move(_ file: String, over target: String) throws {
        // Sound: the kernel copies both paths during the call.
        let result = unsafe rename(file, target)
        try #require(result == 0)
    }

    /// Runs a source on `file` while `body` changes it.
    private func withSource(
        _ file: String, _ body: (RecordingSink, FileSource) async throws -> Void
    ) async throws {
        let source = try FileSource(path: file, environment: [:])
        let sink = RecordingSink()
        let task = Task { await source.run(sink: sink) }
        try await body(sink, source)
        task.cancel()
        await task.value
    }
}

/// A sink that hands out what it was told, one at a time.
struct RecordingSink: ConfigurationSink {
    enum Delivery: Equatable, Sendable {
        case applied(drainSeconds: Int, restart: [String])
        case refused(String)
    }

    private let deliveries: AsyncStream<Delivery>
    private let continuation: AsyncStream<Delivery>.Continuation

    init() { (deliveries, continuation) = AsyncStream.makeStream() }

    func apply(_ configuration: Configuration, restartNeeded: [String]) async {
        let seconds = Int(configuration.drainTimeout.components.seconds)
        continuation.yield(.applied(drainSeconds: seconds, restart: restartNeeded))
    }

    func refused(_ problems: ConfigurationProblems, at unixSeconds: Int64) async {
        continuation.yield(.refused(problems.description))
    }

    /// The next delivery, waiting for it.
    func next() async -> Delivery? {
        var iterator = deliveries.makeAsyncIterator()
        return await iterator.next()
    }
}

/// A directory that goes with its owner.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
