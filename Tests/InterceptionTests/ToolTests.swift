import Testing

@testable import Interception

/// A look that fails is no answer.
@Suite struct ToolTests {
    private func look(_ script: String, within patience: Duration = .seconds(20)) async throws -> String? {
        try await Tool.look(Command("sh", ["-c", script]), within: patience)
    }

    @Test func whatIsNotThereIsNil() async throws {
        #expect(try await look("echo here") == "here\n")
        #expect(try await look("echo 'Error: No such file or directory' >&2; exit 1") == nil)
        #expect(try await look("echo 'Error: ipv4: FIB table does not exist.' >&2; exit 2") == nil)
        #expect(try await Tool.look(Command("apus-no-such-program", [])) == nil)
    }

    @Test(arguments: [
        ("kill -9 $$", "signal 9"),
        ("echo '{'; kill -SEGV $$", "signal 11"),
        ("echo 'netlink: Error: Cannot allocate memory' >&2; exit 1", "Cannot allocate memory"),
        ("exit 3", "without a message"),
    ]) func whatCouldNotLookIsAnError(script: String, cause: String) async {
        let error = await #expect(throws: InterceptionError.self) { _ = try await look(script) }
        #expect(error.map { "\($0)".contains(cause) } == true, "\(String(describing: error))")
    }

    @Test func aProgramThatHangsIsKilled() async {
        let clock = ContinuousClock()
        let start = clock.now
        let error = await #expect(throws: InterceptionError.self) {
            _ = try await look("exec sleep 600", within: .milliseconds(100))
        }
        #expect(error.map { "\($0)".contains("no end within") } == true, "\(String(describing: error))")
        #expect(clock.now - start < .seconds(300))
    }

    /// Changes of a host take the same way: one that was killed has not been made.
    @Test func aProgramThatIsKilledHasFailed() async {
        let complaint = await Step.Action.run(Command("sh", ["-c", "kill -9 $$"])).perform()
        #expect(complaint?.contains("signal 9") == true)
    }
}
