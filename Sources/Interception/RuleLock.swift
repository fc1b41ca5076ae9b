import Syscalls

/// One program at a time changes the rules of a network namespace: `apusctl redirect` and the guard may meet.
enum RuleLock {
    private static let name = "apus rules"
    /// A change takes a second at most; whoever holds it for longer is stuck.
    private static let attempts = 2000

    /// Runs `body` while nobody else does. The kernel gives the lock back when the process ends, whatever ends it.
    static func hold<Result: Sendable>(
        _ body: () async throws(InterceptionError) -> Result
    ) async throws(InterceptionError) -> Result {
        let claim = try await claim()
        defer { claim.withDescriptor { _ in } }
        return try await body()
    }

    private static func claim() async throws(InterceptionError) -> ClaimedName {
        for _ in 0..<attempts {
            do throws(Errno) {
                return try ClaimedName(name)
            } catch {
                guard error == .addressInUse else {
                    throw .failed(step: "lock the rules", cause: "\(error)", leftBehind: [])
                }
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
        throw .refused(["another program has been changing the rules for 10 seconds: which one? (ss -xl, @\(name))"])
    }
}
