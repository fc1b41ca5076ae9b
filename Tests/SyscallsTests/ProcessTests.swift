import Glibc
import Syscalls
import Testing

/// Whether another process is there.
struct ProcessTests {
    @Test func aProcessHasEndedBeforeItIsWaitedFor() throws {
        #expect(!ProcessIdentity.hasEnded(ProcessIdentity.number, within: 0))
        // Ends, and is not waited for: a number in the process table is no process.
        var child: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("true"), nil]
        // The strings are terminated, and the first one is freed at the end.
        let result = unsafe posix_spawnp(&child, "true", nil, nil, &arguments, nil)
        defer {
            unsafe free(arguments[0])
            waitpid(child, nil, 0)
        }
        try #require(result == 0)
        #expect(ProcessIdentity.hasEnded(child, within: 10_000))
    }
}
