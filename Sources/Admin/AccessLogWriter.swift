import Glibc
import Logging
import Model
import NIOPosix
import Synchronization
import SystemPackage

/// Drains the workers' rings of connections and of requests into the access log, off the data path. Lines of one ring keep
/// their order.
///
/// It has a thread of its own: a full disk or a stalled reader of standard output holds up that thread and nothing
/// else. When it cannot keep up, rings fill and workers drop and count; when a write fails, the lines of that batch are
/// lost and counted. It is the one consumer of its rings. Without an access log it discards what workers leave, and tells
/// the rings of requests that nobody wants any.
public final class AccessLogWriter: Sendable {
    private struct State: ~Copyable {
        var configuration: Configuration.AccessLog?
        var file: LogFile?
        var mustReopen = false
        var counts = AccessLogCounts()
        var buffer: [UInt8] = []
        var entry = RequestLogEntry()
        var bufferedLines = 0
        var lastComplaint: ContinuousClock.Instant?
        /// After a failed open, when to try again.
        var retryOpenAt: ContinuousClock.Instant?
    }

    private let rings: [RecordRing]
    private let requestRings: [RequestRing]
    private let line: AccessLogLine
    private let logger: Logger
    private let state = Mutex(State())
    /// Counts apart from `state`, which the thread holds while it writes: metrics must not wait for a disk.
    private let published = Mutex(AccessLogCounts())
    private let pending = Mutex(Pending())

    private struct Pending {
        var configuration: Configuration.AccessLog??
        var reopen = false
        var isStopping = false
    }

    /// Bytes that are collected before a write.
    private static let batchBytes = 64 << 10
    /// Records taken from one ring before the others have their turn.
    private static let recordsPerTurnMax = 1024
    /// A write error is logged at most once in this time.
    private static let complaintInterval = Duration.seconds(60)
    private static let reopenInterval = Duration.seconds(1)
    /// How long a full pipe is waited for before its lines are given up.
    private static let pipePatience = Duration.seconds(5)

    /// A writer for one process's workers. `names` tells what the records' slots are called.
    public init(rings: [RecordRing], requestRings: [RequestRing] = [], names: SlotNames, logger: Logger) {
        self.rings = rings
        self.requestRings = requestRings
        for ring in requestRings { ring.isWanted = false }
        line = AccessLogLine(names: names)
        self.logger = logger
    }

    /// Where to write from now on; nil: nowhere. Takes effect with the next batch. Any thread.
    public func apply(_ configuration: Configuration.AccessLog?) {
        pending.withLock { $0.configuration = .some(configuration) }
        for ring in requestRings { ring.isWanted = configuration != nil }
    }

    /// Opens the file anew, after a log rotation has renamed it. Takes effect with the next batch. Any thread.
    public func reopen() { pending.withLock { $0.reopen = true } }

    /// Lines and errors since the start. Never waits for a write.
    public var counts: AccessLogCounts { published.withLock { $0 } }

    /// Writes until the task is cancelled, then writes what is left and closes the file.
    public func run() async {
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        while !Task.isCancelled {
            let records = (try? await thread.runIfActive { self.turn() }) ?? 0
            try? await Task.sleep(for: Self.pause(after: records))
        }
        pending.withLock { $0.isStopping = true }
        // A task of its own: the thread pool refuses the work of a cancelled one.
        await Task {
            try? await thread.runIfActive {
                while self.turn() > 0 {}
                self.state.withLock { $0.file = nil }
            }
            try? await thread.shutdownGracefully()
        }.value
    }

    /// A ring holds 4096 connections, or about 3,500 requests; at 100 ms that is 35,000 a second before the first turn of a
    /// burst.
    private static func pause(after records: Int) -> Duration {
        switch records {
        case 0: .milliseconds(100)
        case ..<512: .milliseconds(50)
        default: .milliseconds(2)
        }
    }

    /// One round over the rings: how many records there were.
    func turn() -> Int {
        state.withLock { state in
            adopt(&state)
            var records = 0
            for ring in rings {
                for _ in 0..<Self.recordsPerTurnMax {
                    guard let record = ring.pop() else { break }
                    records += 1
                    guard let configuration = state.configuration else { continue }
                    line.append(record, format: configuration.format, to: &state.buffer)
                    state.bufferedLines += 1
                    if state.buffer.count >= Self.batchBytes { flush(&state) }
                }
            }
            for ring in requestRings { records += drain(ring, &state) }
            flush(&state)
            return records
        }
    }

    private func drain(_ ring: RequestRing, _ state: inout State) -> Int {
        for records in 0..<Self.recordsPerTurnMax {
            guard ring.pop(into: &state.entry) else { return records }
            guard let configuration = state.configuration else { continue }
            line.append(state.entry, format: configuration.format, to: &state.buffer)
            state.bufferedLines += 1
            if state.buffer.count >= Self.batchBytes { flush(&state) }
        }
        return Self.recordsPerTurnMax
    }

    private func adopt(_ state: inout State) {
        let wanted = pending.withLock { pending in
            defer { (pending.configuration, pending.reopen) = (nil, false) }
            return pending
        }
        if let configuration = wanted.configuration {
            if configuration?.path != state.configuration?.path {
                state.file = nil
                state.retryOpenAt = nil
            }
            state.configuration = configuration
        }
        if wanted.reopen { state.file = nil }
        // Also without a line to write, so that a rotation script finds the new file at once.
        openIfNeeded(&state)
    }

    private func openIfNeeded(_ state: inout State) {
        guard let path = state.configuration?.path, state.file == nil else { return }
        if let retryAt = state.retryOpenAt, ContinuousClock.now < retryAt { return }
        do {
            state.file = try LogFile(path: path)
            state.retryOpenAt = nil
        } catch {
            state.retryOpenAt = .now + Self.reopenInterval
            complain("access log: \(path): cannot open: \(error)", &state)
        }
    }

    private func flush(_ state: inout State) {
        guard state.bufferedLines > 0 else { return }
        let lines = state.bufferedLines
        defer {
            state.buffer.removeAll(keepingCapacity: state.buffer.count <= 2 * Self.batchBytes)
            state.bufferedLines = 0
        }
        openIfNeeded(&state)
        let deadline = ContinuousClock.now + Self.pipePatience
        do {
            guard state.file != nil else { return lose(lines, &state) }
            try state.file?.append(state.buffer) { self.waitForPipe(until: deadline) }
            state.counts.lines += lines
            publish(state.counts)
        } catch {
            lose(lines, &state)
            complain("access log: \(state.configuration?.path ?? ""): lines lost: cannot write: \(error)", &state)
        }
    }

    /// Pauses for a full pipe; false when it is time to give up.
    private func waitForPipe(until deadline: ContinuousClock.Instant) -> Bool {
        guard ContinuousClock.now < deadline, !pending.withLock({ $0.isStopping }) else { return false }
        usleep(5000)
        return true
    }

    private func lose(_ lines: Int, _ state: inout State) {
        state.counts.lost += lines
        publish(state.counts)
    }

    private func complain(_ message: String, _ state: inout State) {
        state.counts.errors += 1
        publish(state.counts)
        let now = ContinuousClock.now
        if let last = state.lastComplaint, now - last < Self.complaintInterval { return }
        state.lastComplaint = now
        logger.warning("\(message)")
    }

    private func publish(_ counts: AccessLogCounts) { published.withLock { $0 = counts } }
}

/// What became of access log lines.
public struct AccessLogCounts: Sendable, Equatable {
    /// Lines written, and lines lost to failed writes.
    public var lines = 0, lost = 0
    /// Writes and opens that failed.
    public var errors = 0
}
