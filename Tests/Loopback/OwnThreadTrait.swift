import Testing

/// Gives each test a thread of its own; see `OwnThread`.
public struct OwnThreadTrait: SuiteTrait, TestTrait, TestScoping {
    /// It holds for the tests of a suite, not for the suite itself.
    public var isRecursive: Bool { true }

    /// The trait.
    public init() {}

    /// Runs a test there.
    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        try await withTaskExecutorPreference(OwnThread()) { try await function() }
    }
}
