import Foundation
import Syscalls
import Testing

/// Threads that nobody joins, and locks that end with who has them.
struct ThreadTests {
    /// Pages of address space of this process.
    private func pages() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return try #require(text.split(separator: " ").first.flatMap { Int($0) })
    }

    /// A stack of 8 MiB each would stay otherwise.
    @Test func aDetachedThreadLeavesNothing() throws {
        let before = try pages()
        for _ in 0..<100 { try Syscalls.Thread(name: "short") {}.detach() }
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(10)
        while try pages() - before > 50 * 2048, clock.now < deadline { Syscalls.Thread.sleep(milliseconds: 10) }
        #expect(try pages() - before <= 50 * 2048, "half of a hundred stacks")
    }

    @Test func aLockedFileIsAnothersOnlyAfterItsEnd() throws {
        let path = FileManager.default.temporaryDirectory.path + "/apus-lock-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func isHeld() -> Bool {
            do throws(Errno) {
                let lock = try FileLock(path: path)
                withExtendedLifetime(lock) {}
                return false
            } catch {
                return error == .tryAgain
            }
        }
        do {
            let lock = try FileLock(path: path)
            #expect(isHeld())
            // Whoever comes when the file has been removed has another one.
            try FileManager.default.removeItem(atPath: path)
            #expect(!isHeld())
            withExtendedLifetime(lock) {}
        }
        #expect(!isHeld())
    }
}
