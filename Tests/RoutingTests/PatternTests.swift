import Model
import Patterns
import Testing

@testable import Routing

/// Patterns match whole texts, in bounded time.
@Suite(.timeLimit(.minutes(1))) struct PatternTests {
    private func matches(_ pattern: String, _ text: String) throws -> Bool {
        var scratch = PatternScratch()
        return try Pattern(pattern).matches(text, &scratch)
    }

    @Test func allOfTheTextMustMatch() throws {
        #expect(try matches("/users/[0-9]+", "/users/17"))
        #expect(try !matches("/users/[0-9]+", "/users/17/orders"))
        #expect(try !matches("users", "/users"))
        #expect(try matches("a|ab", "ab"), "an alternative that is too short is no reason to give up")
        #expect(try matches("", "") && !matches("", "a"))
        #expect(try matches("a.c", "a\nc") == false && matches("(?s)a.c", "a\nc"))
        #expect(try matches("\\xff+", "ÿ") == false)
    }

    @Test(arguments: [
        ("(", 1), ("a(b", 3), ("[z-a]", 3), ("a{2,1}", 5), ("\\", 1), ("(?<n>a)(?<n>b)", 12), ("(*UTF)a", 6),
        ("a\\C", 3),
        (String(repeating: "a", count: 1025), 1024), ("((a{1000}){1000}){1000}", 23),
    ])
    func whatDoesNotCompileSaysWhere(pattern: String, offset: Int) {
        let flaw = #expect(throws: PatternFlaw.self) { try Pattern(pattern) }
        #expect(flaw?.offset == offset && flaw?.reason.isEmpty == false, "\(String(describing: flaw))")
    }

    /// Each of these takes hours without a limit. The clock is generous: a debug build on a busy machine.
    @Test(arguments: [
        ("(a+)+[bc]", "a"), ("(a|aa)+[bc]", "a"), ("(.*)*[xz]", "y"), (".*.*.*.*.*[=;]", "a"),
        ("(?:a*)*(?:a*)*[bc]", "a"), ("([a-z]+)*[0-9]", "q"), ("(x+x+)+[yz]", "x"), ("(a?){64}a{64}[bc]", "a"),
        ("(a|[^x]*+[yz])*[bc]", "a"), ("(a(?R)?)+[bc]", "a"), ("((a)|(?1))*[bc]", "a"),
    ])
    func catastrophicOnesAreGivenUp(pattern: String, letter: String) throws {
        let clock = ContinuousClock()
        for count in [30, 1000, PatternScratch.subjectBytesMax] {
            var scratch = PatternScratch()
            let pattern = try Pattern(pattern)
            let time = try clock.measure {
                let isMatch = try pattern.matches(String(repeating: letter, count: count), &scratch)
                #expect(!isMatch)
            }
            #expect(time < .milliseconds(500), "\(count) bytes")
        }
    }

    @Test func whatIsGivenUpIsCounted() throws {
        var scratch = PatternScratch()
        let bad = try Pattern("(a+)+[bc]")
        let good = try Pattern("a+")
        let text = String(repeating: "a", count: 100)
        #expect(try good.matches(text, &scratch) && scratch.takeOverLimitCount() == 0)
        #expect(try !bad.matches(text, &scratch))
        #expect(try good.matches(text, &scratch))
        #expect(scratch.takeOverLimitCount() == 1 && scratch.takeOverLimitCount() == 0)
        let long = String(repeating: "a", count: PatternScratch.subjectBytesMax + 1)
        #expect(try !good.matches(long, &scratch) && scratch.takeOverLimitCount() == 1)
    }

    /// A table full of bad patterns must not cost a limit each.
    @Test func aRequestThatIsOverTheLimitAgainAndAgainMeetsNoPattern() throws {
        let tables = try Tables(
            rules: (0..<200).map { .to("a", .regex("/(a+)+[bc]{\($0 + 1)}")) } + [.to("b", .prefix("/"))])
        var scratch = PatternScratch()
        let path = "/" + String(repeating: "a", count: 60)
        let clock = ContinuousClock()
        let time = clock.measure {
            #expect(tables.view.find(table: 0, request("GET", "h", path), scratch: &scratch) == 200)
        }
        #expect(scratch.takeOverLimitCount() == 200)
        #expect(time < .milliseconds(500))
        #expect(tables.view.find(table: 0, request("GET", "h", "/aac"), scratch: &scratch) == 0, "the next one does")
    }
}

extension Pattern {
    fileprivate func matches(_ text: String, _ scratch: inout PatternScratch) throws -> Bool {
        scratch.matches(handle, Array(text.utf8).span)
    }
}
