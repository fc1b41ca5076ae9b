import Testing

/// Lets a suite that loads or measures the machine run while no other such suite does.
///
/// The scope is the whole suite's, so that what a test waits for is never part of its own time limit.
public struct AloneTrait: SuiteTrait, TestScoping {
    /// Whether the suite lets all others with this trait go first: it is slowed by what runs beside it.
    private let isLast: Bool

    /// The trait.
    public init(last isLast: Bool = false) { self.isLast = isLast }

    /// Runs the suite when it is its turn.
    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        // Suites start at about the same time, in any order.
        if isLast { try await Task.sleep(for: .seconds(1)) }
        await Turn.shared.take(isLast: isLast)
        do {
            try await function()
        } catch {
            await Turn.shared.pass()
            throw error
        }
        await Turn.shared.pass()
    }
}

/// Who may run.
private actor Turn {
    static let shared = Turn()

    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var waitingLast: [CheckedContinuation<Void, Never>] = []

    func take(isLast: Bool) async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { continuation in
            if isLast { waitingLast.append(continuation) } else { waiting.append(continuation) }
        }
    }

    func pass() {
        if !waiting.isEmpty {
            waiting.removeFirst().resume()
        } else if !waitingLast.isEmpty {
            waitingLast.removeFirst().resume()
        } else {
            isTaken = false
        }
    }
}
