import Admin
import HandOver
import Logging
import Model
import Proxy
import Synchronization
import Syscalls

/// Where this process stands between the generation before and the one after it: what it has claimed, what it takes
/// over, what it hands over.
struct Succession {
    private let taker: Taker?
    private let claims: [Claim]
    private let directory: String
    private let logger: Logger

    /// Another `apusd` has the same admin address or interception ports here.
    struct AlreadyRunning: Error, CustomStringConvertible {
        let name: String

        var description: String {
            "\(name): another apusd runs with this: stop it first, change it here, or start with --take-over"
        }
    }

    /// Looks for the generation before (when `takesOver`), or makes sure that there is none.
    ///
    /// Listeners and the admin port are opened with SO_REUSEPORT, so the kernel would let a second process with the same
    /// configuration take half of the traffic without a word.
    init(_ configuration: Configuration, takesOver: Bool, logger: Logger) throws {
        self.logger = logger
        let names = Self.names(configuration)
        let directory = names.isEmpty ? "" : try ClaimDirectory.make()
        self.directory = directory
        let log: @Sendable (String) -> Void = { logger.info("\($0)") }
        taker =
            takesOver ? try Taker.find(names, in: directory, configuration, version: BuildVersion.text, log: log) : nil
        claims = taker == nil ? try names.map { try Self.claim($0, in: directory) } : []
        if takesOver, taker == nil { logger.notice("--take-over: no apusd runs with these ports: starting afresh") }
    }

    private static func names(_ configuration: Configuration) -> [String] {
        let admin = configuration.admin.port == 0 ? nil : "apusd admin: \(configuration.admin)"
        let ports = configuration.interception.map {
            "apusd interception: ports \($0.outboundPort), \($0.inboundPort)"
        }
        return [admin, ports].compactMap(\.self)
    }

    private static func claim(_ name: String, in directory: String) throws -> Claim {
        do throws(Errno) {
            return try Claim(name, in: directory)
        } catch {
            if error == .tryAgain { throw AlreadyRunning(name: name) }
            throw ClaimDirectory.Unusable(path: directory, cause: "\(name): \(error)")
        }
    }

    /// Opens the listeners and the admin port, in the order in which no connection and no scrape gets lost. Returns the
    /// claims that are this process's from now on.
    func begin(_ server: ProxyServer, _ admin: AdminPort) async throws -> [Claim] {
        guard let taker else {
            try await admin.open()
            // Last: the host's rules send traffic here from this moment on.
            try server.openListeners()
            return claims
        }
        try server.openListeners()
        let inherited = try await offPool { try taker.takePlace(server) }
        try await admin.open()
        let missing = Self.names(server.snapshot?.configuration ?? Configuration()).filter { name in
            !inherited.contains { $0.name == name }
        }
        return inherited + (try missing.map { try Self.claim($0, in: directory) })
    }

    /// This process ends: what has not been taken yet stays where it is.
    func stop() { taker?.stop() }

    /// Takes the connections of the generation before, if there is one. Returns when that is over.
    func takeConnections(_ server: ProxyServer) async throws -> Taker.Ending? {
        guard let taker else { return nil }
        let (endings, told) = AsyncStream.makeStream(of: Taker.Ending.self)
        try taker.takeConnections(server) { told.yield($0) }
        for await ending in endings { return ending }
        return nil
    }

    /// Runs blocking calls on a thread of their own: the pool's few threads are not for waiting.
    private func offPool<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            do throws(Errno) {
                try Thread(name: "take-over") { continuation.resume(with: Result { try body() }) }.detach()
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}
