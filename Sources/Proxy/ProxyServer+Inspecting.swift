import EventLoop
import HTTP
import Model
import Synchronization

extension ProxyServer: ProxyInspecting {
    /// The newest snapshot.
    public var snapshot: Snapshot? { state.withLock { $0.generation.snapshot } }

    /// Counters of each worker, in worker order.
    public var workerStatistics: [WorkerStatistics] { contexts.map(\.statistics) }

    /// What peers of HTTP/2 connections have broken.
    public var http2Violations: [HTTP2ViolationCount] {
        HTTP2ViolationCount.Peer.allCases.flatMap { peer in
            HTTP2Violation.Kind.allCases.compactMap { kind in
                let count = workerStatistics.reduce(0) {
                    $0 + $1.http2Violations.value(slot: peer.rawValue, counter: Int(kind.rawValue))
                }
                return count > 0 ? HTTP2ViolationCount(peer: peer, kind: "\(kind.label)", count: count) : nil
            }
        }
    }

    /// Pod x cluster series.
    public var pairSeries: [PairSeries] { pairs.series }

    /// Where the process is in its life.
    public var phase: ProxyPhase { state.withLock { $0.phase } }

    /// Sockets that listen now.
    public var listeners: [ListenerView] {
        state.withLock { state in
            state.listeners.map { listener in
                ListenerView(
                    name: names.name(.listener, listener.spec.slot) ?? "?", address: listener.bound,
                    workers: contexts.count, slot: listener.spec.slot)
            }
        }
    }

    /// Live connections of all workers; a worker that does not answer within a second is left out and named.
    public func connections(limit: Int) async -> ConnectionList {
        await withTaskGroup(of: (Int, WorkerAnswer?).self) { group in
            for context in contexts { group.addTask { (context.index, await Self.ask(context, limit)) } }
            var list = ConnectionList()
            for await (index, answer) in group {
                guard let answer else {
                    list.missingWorkers.append(index)
                    continue
                }
                list.truncated = list.truncated || answer.truncated
                list.connections += answer.views
            }
            if list.connections.count > limit {
                list.connections.removeLast(list.connections.count - limit)
                list.truncated = true
            }
            return list
        }
    }

    /// What each worker remembers of a destination.
    public func learned(of destination: SocketAddress) async -> [LearnedProtocol] {
        let listener = listeners.first { listener in
            listener.slot > Snapshot.inboundListenerSlot && listener.address.port == destination.port
                && (listener.address == destination || listener.address.address.isUnspecified)
        }
        let destination = listener.map { SpokenProtocols.key(listener: $0.slot) } ?? destination
        return await withTaskGroup(of: LearnedProtocol?.self) { group in
            for context in contexts {
                group.addTask {
                    await Self.answer { reply in context.mailbox.send(.recall(destination, reply: reply)) } ?? nil
                }
            }
            var learned: [LearnedProtocol] = []
            for await answer in group { if let answer { learned.append(answer) } }
            return learned
        }
    }

    private struct WorkerAnswer: Sendable {
        let views: [ConnectionView]
        let truncated: Bool
    }

    /// nil: no answer within a second.
    private static func ask(_ context: WorkerContext, _ limit: Int) async -> WorkerAnswer? {
        await answer { reply in
            context.mailbox.send(
                .list(limit: limit) { views, truncated in reply(WorkerAnswer(views: views, truncated: truncated)) })
        }
    }

    /// What `ask` gets for an answer; nil: none within a second.
    private static func answer<Answer: Sendable>(
        _ ask: (_ reply: @escaping @Sendable (Answer) -> Void) -> Void
    ) async -> Answer? {
        await withCheckedContinuation { continuation in
            let answer = FirstAnswer(continuation)
            ask { answer.resume($0) }
            Task {
                try? await Task.sleep(for: .seconds(1))
                answer.resume(nil)
            }
        }
    }

    /// Resumes a continuation with whichever answer comes first.
    private final class FirstAnswer<Answer: Sendable>: Sendable {
        private let continuation: Mutex<CheckedContinuation<Answer?, Never>?>

        init(_ continuation: CheckedContinuation<Answer?, Never>) { self.continuation = Mutex(continuation) }

        func resume(_ answer: Answer?) {
            let waiting = continuation.withLock { continuation in
                defer { continuation = nil }
                return continuation
            }
            waiting?.resume(returning: answer)
        }
    }
}
