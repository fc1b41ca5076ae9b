import Foundation
import Logging
import Model
import Synchronization

@testable import Admin

/// The admin server on a port of the kernel's choice, for the time of `body`.
func withServer(
    _ proxy: FakeProxy, readiness: Readiness = Readiness(), logLevel: ProcessLogLevel? = nil,
    accessLog: AccessLogWriter? = nil, _ body: @escaping @Sendable (SocketAddress) async throws -> Void
) async throws {
    var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    let server = AdminServer(
        inspecting: proxy, address: SocketAddress(.loopbackV4, 0), readiness: readiness, logger: logger,
        logLevel: logLevel, accessLog: accessLog)
    let (bound, continuation) = AsyncStream.makeStream(of: SocketAddress.self)
    try await withThrowingTaskGroup { group in
        group.addTask {
            defer { continuation.finish() }
            try await server.run { continuation.yield($0) }
        }
        group.addTask {
            for await address in bound {
                try await body(address)
                break
            }
        }
        // The server does not end by itself: the first to end is the body, or the server with its error.
        try await group.next()
        group.cancelAll()
        try await group.waitForAll()
    }
}

/// What a command wrote and how it ended. It is given `input` on standard input.
struct CommandResult: Sendable {
    var status: Int32
    var output: String
    var errors: String
}

/// Runs a command to its end, off the cooperative pool.
func run(_ command: String, _ arguments: [String], input: [UInt8] = []) async throws -> CommandResult {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(with: Result { try runBlocking(command, arguments, input: input) })
        }
    }
}

private func runBlocking(_ command: String, _ arguments: [String], input: [UInt8]) throws -> CommandResult {
    let files = FileManager.default
    let folder = files.temporaryDirectory.appendingPathComponent("apus-test-\(UUID().uuidString)")
    try files.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? files.removeItem(at: folder) }
    // Files instead of pipes: no output is large enough to block on.
    let paths = ["in", "out", "err"].map { folder.appendingPathComponent($0) }
    try Data(input).write(to: paths[0])
    try Data().write(to: paths[1])
    try Data().write(to: paths[2])
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [command] + arguments
    process.standardInput = try FileHandle(forReadingFrom: paths[0])
    process.standardOutput = try FileHandle(forWritingTo: paths[1])
    process.standardError = try FileHandle(forWritingTo: paths[2])
    try process.run()
    process.waitUntilExit()
    return CommandResult(
        status: process.terminationStatus, output: String(decoding: try Data(contentsOf: paths[1]), as: UTF8.self),
        errors: String(decoding: try Data(contentsOf: paths[2]), as: UTF8.self))
}

/// `curl`, with the status code on the last line of the output.
func curl(_ address: SocketAddress, _ path: String, _ arguments: String...) async throws -> (status: Int, body: String)
{
    let result = try await run(
        "curl", ["-sS", "--max-time", "10", "-w", "\n%{http_code}"] + arguments + ["http://\(address)\(path)"])
    guard result.status == 0, let cut = result.output.lastIndex(of: "\n") else {
        throw CurlFailed(description: "curl: exit \(result.status): \(result.errors)")
    }
    return (Int(result.output[result.output.index(after: cut)...]) ?? 0, String(result.output[..<cut]))
}

struct CurlFailed: Error, CustomStringConvertible { let description: String }
