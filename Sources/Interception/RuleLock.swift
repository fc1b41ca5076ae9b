import Syscalls

/// One program at a time changes the rules of a network namespace: `apusctl redirect` and the guard may meet.
enum RuleLock {
    static let name = "rules"
    /// A change takes a second at most; whoever holds it for longer is stuck.
    private static let attempts = 2000

    /// Runs `body` while nobody else does. The kernel gives the lock back when the process ends, whatever ends it.
    static func hold<Result: Sendable>(
        _ body: () async throws(InterceptionError) -> Result
    ) async throws(InterceptionError) -> Result {
        let lock = try await take()
        defer { withExtendedLifetime(lock) {} }
        return try await body()
    }

    private static func take() async throws(InterceptionError) -> FileLock {
        for _ in 0..<attempts {
            if let lock = try HostDirectory.lock(name) { return lock }
            try? await Task.sleep(for: .milliseconds(5))
        }
        let path = try HostDirectory.path(name + ".lock")
        throw .refused(["another program has been changing the rules for 10 seconds: which one? (lslocks, \(path))"])
    }
}
