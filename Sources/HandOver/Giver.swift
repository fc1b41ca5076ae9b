import Model
import Proxy
import Synchronization
import Syscalls

/// The old generation's side of a hand-over: waits under the process's claimed names, and gives everything to the one
/// that comes. Runs on a thread of its own.
public final class Giver: Sendable {
    /// What the rest of the process does meanwhile. Called on the giver's thread; may block it.
    public struct Hooks: Sendable {
        /// The next generation serves: the admin port is to be closed.
        public var isSucceeded: @Sendable () -> Void
        /// The next generation is gone: the admin port is to be opened again.
        public var isAlone: @Sendable () -> Void
        /// All is handed over: the process may exit.
        public var isDone: @Sendable () -> Void
        /// Something for the log.
        public var log: @Sendable (String) -> Void

        /// Hooks.
        public init(
            isSucceeded: @escaping @Sendable () -> Void, isAlone: @escaping @Sendable () -> Void,
            isDone: @escaping @Sendable () -> Void, log: @escaping @Sendable (String) -> Void
        ) {
            self.isSucceeded = isSucceeded
            self.isAlone = isAlone
            self.isDone = isDone
            self.log = log
        }
    }

    private let server: ProxyServer
    private let claims: [Claim]
    private let version: String
    private let hooks: Hooks
    private let isStopped = Atomic<Bool>(false)

    /// `claims`: the names under which the next generation looks for this one.
    public init(_ server: ProxyServer, claims: [Claim], version: String, hooks: Hooks) {
        self.server = server
        self.claims = claims
        self.version = version
        self.hooks = hooks
    }

    /// Starts to wait for a successor. Without a claim there is none: nobody knows where to look for this process.
    public func start() throws(Errno) {
        guard !claims.isEmpty else { return }
        for claim in claims { try claim.listen() }
        try Thread(name: "hand-over") { self.run() }.detach()
    }

    /// No hand-over begins from now on: the process ends by itself.
    public func stop() { isStopped.store(true, ordering: .relaxed) }

    private func run() {
        while !isStopped.load(ordering: .relaxed) {
            do throws(Errno) {
                for claim in claims {
                    guard let socket = try claim.accept(within: 100) else { continue }
                    serve(socket)
                }
            } catch {
                // Out of descriptors, most likely: later.
                hooks.log("hand-over: cannot accept: \(error)")
                Thread.sleep(milliseconds: 1000)
            }
        }
    }

    private func serve(_ socket: consuming LocalSocket) {
        do {
            let channel = try Channel(socket, user: ProcessIdentity.user)
            guard let welcome = try greet(channel) else { return }
            var handing = try Handing(server, channel, hooks: hooks, moves: welcome.format > 0)
            if try handing.run(claims) {
                stop()
                hooks.isDone()
            }
        } catch {
            hooks.log("hand-over did not begin: \(error)")
        }
    }

    /// nil: refused.
    private func greet(_ channel: borrowing Channel) throws -> Welcome? {
        let hello: Hello = try channel.receive(.hello).message()
        if let reason = objection(to: hello) {
            hooks.log("hand-over to process \(hello.process) refused: \(reason)")
            try channel.send(try Frame(.refusal, Refusal(reason: reason)))
            return nil
        }
        let welcome = Welcome(
            format: hello.formats.filter { $0 == Tunnels.format }.max() ?? 0, process: ProcessIdentity.number,
            version: version, listenersPerGroup: server.listenersPerGroup, connections: server.connectionCount)
        try channel.send(try Frame(.welcome, welcome))
        hooks.log("handing over to process \(hello.process), version \(hello.version)")
        return welcome
    }

    private func objection(to hello: Hello) -> String? {
        if server.phase != .serving { return "it is \(server.phase.rawValue)" }
        let interception = server.snapshot?.configuration.interception
        let ports = interception.map { [$0.outboundPort, $0.inboundPort] }
        guard ports == hello.interceptionPorts else {
            return "its interception ports are \(ports.map { "\($0)" } ?? "none"), the new configuration's "
                + "\(hello.interceptionPorts.map { "\($0)" } ?? "none"): restart instead, with apusctl redirect install"
        }
        return nil
    }
}
