import Model
import Proxy
import Synchronization
import Syscalls

/// The new generation's side of a hand-over. In this order: `find` and `greet` the running process, build the data
/// plane, `takePlace`, open the admin port, `takeConnections`.
public final class Taker: Sendable {
    /// How a hand-over ended.
    public enum Ending: Sendable {
        /// The old process has given all it had, and exits.
        case complete(handedOver: Int, reset: Int)
        /// It is gone without a word: what it had not given is lost, this process serves on.
        case predecessorGone
        /// It is there, and serves on: this process is one too many.
        case predecessorServesOn
    }

    private struct Talk: ~Copyable {
        var channel: Channel
        var next = 0
        /// Of the snapshot they were made of.
        var names: TunnelNames?
    }

    private let talk: Mutex<Talk>
    private let directory: String
    private let welcome: Welcome
    private let log: @Sendable (String) -> Void
    private let isStopped = Atomic<Bool>(false)

    /// How long a process whose end of the talk is closed may take to end. Its descriptors are closed before it is gone,
    /// thousands of them.
    private static let endMilliseconds: Int32 = 2000

    /// Looks for the running process under the names it may have claimed, and introduces this one. nil: none is there.
    ///
    /// - Throws: `HandOverRefused`, or what went wrong on the way.
    public static func find(
        _ names: [String], in directory: String, _ configuration: Configuration, version: String,
        log: @escaping @Sendable (String) -> Void
    ) throws -> Taker? {
        for name in names {
            guard let socket = try connect(to: Claim.socketPath(name, in: directory)) else { continue }
            let channel = try Channel(socket, user: ProcessIdentity.user)
            let ports = configuration.interception.map { [$0.outboundPort, $0.inboundPort] }
            let hello = Hello(
                formats: [Tunnels.format], process: ProcessIdentity.number, version: version, interceptionPorts: ports)
            try channel.send(try Frame(.hello, hello))
            let welcome: Welcome = try answer(channel).message()
            log("taking over from process \(welcome.process), version \(welcome.version)")
            return Taker(channel, welcome, directory, log: log)
        }
        return nil
    }

    private static func answer(_ channel: borrowing Channel) throws -> Frame {
        do {
            return try channel.receive(.welcome)
        } catch let error as Errno where error == .tryAgain {
            throw HandOverRefused(reason: "it does not answer: it hangs, or is handing over to another process already")
        }
    }

    private static func connect(to path: String) throws(Errno) -> LocalSocket? {
        do throws(Errno) {
            return try LocalSocket(path: path)
        } catch {
            guard error == .connectionRefused || error == .notFound else { throw error }
            return nil
        }
    }

    private init(
        _ channel: consuming Channel, _ welcome: Welcome, _ directory: String, log: @escaping @Sendable (String) -> Void
    ) {
        self.directory = directory
        talk = Mutex(Talk(channel: channel))
        self.welcome = welcome
        self.log = log
    }

    /// The server's listeners, just opened, get all new connections from now on; the old process passes its counters and
    /// names on. Returns those that it held; none when it ends at this moment: then nobody else serves. Blocks.
    public func takePlace(_ server: ProxyServer) throws -> [Claim] {
        server.directGroups(to: welcome.listenersPerGroup)
        do {
            return try talk.withLock { talk in
                try talk.channel.send(try Frame(.ready, Ready()))
                let frame = try talk.channel.receive(.totals)
                let news: News = try frame.message()
                server.inherit(news.totals, try names(&talk, server))
                return zip(news.claims, frame.descriptors).compactMap { name, parcel in
                    guard let descriptor = parcel.take() else { return nil }
                    return Claim(name, in: directory, taking: descriptor)
                }
            }
        } catch {
            guard isPredecessorGone(after: error) else { throw error }
            return []
        }
    }

    /// Takes no more: this process ends, and the old one is to keep what it has.
    public func stop() { isStopped.store(true, ordering: .relaxed) }

    /// The talk is over. The old process learns so at once: it serves on if it can.
    private func isPredecessorGone(after error: any Error) -> Bool {
        log("hand-over broken off: \(error)")
        talk.withLock { $0.channel.shutdown() }
        return ProcessIdentity.hasEnded(welcome.process, within: Self.endMilliseconds)
    }

    /// Those of the newest snapshot. Made once for each: with ten thousand pods it takes milliseconds.
    private func names(_ talk: inout Talk, _ server: ProxyServer) throws -> TunnelNames {
        guard let snapshot = server.snapshot else { throw Frame.Problem.malformed("no configuration yet") }
        if let names = talk.names, names.generation == snapshot.generation { return names }
        let names = TunnelNames(snapshot)
        talk.names = names
        return names
    }

    /// Takes connections on a thread of its own until the old process is done, and tells `ended` how that was.
    public func takeConnections(_ server: ProxyServer, _ ended: @escaping @Sendable (Ending) -> Void) throws(Errno) {
        try Thread(name: "take-over") {
            let ending = self.run(server)
            server.undirectGroups()
            ended(ending)
        }.detach()
    }

    private func run(_ server: ProxyServer) -> Ending {
        do {
            return try talk.withLock { talk in
                // It speaks when it has something to say; if it dies, the connection breaks.
                try talk.channel.setPatience(milliseconds: 86_400_000)
                while true {
                    let frame = try talk.channel.receive()
                    guard !isStopped.load(ordering: .relaxed) else {
                        throw Frame.Problem.malformed("this process was told to end")
                    }
                    switch frame.kind {
                    case .totals:
                        let news: News = try frame.message()
                        server.inherit(news.totals, try names(&talk, server))
                    case .tunnels: try take(frame, &talk, server)
                    case .done:
                        let done: Done = try frame.message()
                        return .complete(handedOver: done.handedOver, reset: done.reset)
                    case .hello, .welcome, .refusal, .ready, .verdicts:
                        throw Frame.Problem.malformed("\(frame.kind) in the middle of a hand-over")
                    }
                }
            }
        } catch {
            return isPredecessorGone(after: error) ? .predecessorGone : .predecessorServesOn
        }
    }

    /// Takes one batch. Nothing goes on here before the old process can know of it.
    private func take(_ frame: Frame, _ talk: inout Talk, _ server: ProxyServer) throws {
        let names = try names(&talk, server)
        let batch = try Batch(frame)
        var verdicts = Verdicts()
        // Beyond that there would be none left for new connections and everything else.
        let room = server.connectionsMax - server.connectionCount
        for (index, state) in batch.states.enumerated() {
            guard batch.isWhole(index), index - verdicts.refused.count < room else {
                verdicts.refused[index] = "too many here: raise the limit of open files"
                continue
            }
            do throws(TunnelRefusal) {
                try state.check(names)
            } catch {
                verdicts.refused[index] = "\(error)"
            }
        }
        try talk.channel.send(try Frame(.verdicts, verdicts))
        for index in batch.states.indices where verdicts.refused[index] == nil {
            guard let content = batch.content(index) else { continue }
            // Judged above by the same names.
            try server.take(batch.states[index], content, names, worker: talk.next)
            talk.next += 1
        }
    }
}
