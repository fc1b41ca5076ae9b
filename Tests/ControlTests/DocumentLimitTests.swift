import Model
import Testing

@testable import Control

/// A document that would cost too much is refused with a reason, before it does.
struct DocumentLimitTests {
    @Test func nestedAliasesDoNotUnfold() {
        var document = "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            document += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(
            ProblemTests.problems(document) == [
                "8:5: too large once aliases are unfolded, expected at most 4000000 values"
            ])
    }

    @Test func nestedAliasesInAKeyDoNotUnfold() {
        var document = "version: 1\na0: &a0 [x, x]\n"
        for level in 1...40 { document += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        document += "? *a40\n: 1\n"
        #expect(ProblemTests.problems(document).first?.contains("too large once aliases are unfolded") == true)
        #expect(
            ProblemTests.problems("version: 1\nnode: &n {name: a}\n? *n\n: 1") == ["3:3: a mapping key is not a name"])
    }

    @Test func repeatedMergesAreBounded() {
        let keys = (0..<2000).map { "k\($0): 1" }.joined(separator: ", ")
        let merges = Array(repeating: "  - {<<: *m}", count: 600).joined(separator: "\n")
        let problems = ProblemTests.problems("version: 1\nworkers: &m {\(keys)}\npods:\n\(merges)\n")
        #expect(problems.last?.hasSuffix("too large once merged, expected at most 1000000 entries") == true)
    }

    @Test(arguments: ["[", "{a: ", "- ", "? "]) func deepNestingIsRefused(_ opening: String) {
        let problems = ProblemTests.problems("version: 1\nnode:\n  " + String(repeating: opening, count: 5000))
        #expect(problems.count == 1)
        let closed = "version: 1\nnode: " + String(repeating: "[", count: 70) + String(repeating: "]", count: 70)
        #expect(ProblemTests.problems(closed) == ["2:70: nested too deeply, expected at most 64 levels"])
    }

    @Test func aFilePastTheLimitIsRefused() {
        let padding = [UInt8](repeating: UInt8(ascii: "#"), count: DocumentLimits.bytesMax)
        let problems = #expect(throws: ConfigurationProblems.self) {
            try ConfigurationLoader(file: "f", environment: [:]).load(Array("version: 1\n".utf8) + padding)
        }
        let text = "f:1:1: the file is too large: 16777227 bytes, expected at most 16 MiB"
        #expect(problems?.description == text)
    }

    @Test func bytesThatAreNoTextAreRefused() {
        let bytes = Array("version: 1\nnode: {name: ".utf8) + [0xC3, 0x28] + Array("}".utf8)
        let problems = #expect(throws: ConfigurationProblems.self) {
            try ConfigurationLoader(file: "f", environment: [:]).load(bytes)
        }
        #expect(problems?.description == "f:2:14: the file is not UTF-8 text")
        #expect(
            ProblemTests.problems("version: 1 # \u{E000}") == [
                "1:14: the character U+E000 is not allowed, expected text"
            ])
    }

    @Test func manyProblemsAreCounted() {
        let clusters = (0..<500).map { "  - {name: c\($0)}" }.joined(separator: "\n")
        let problems = ProblemTests.problems("version: 1\nclusters:\n\(clusters)\n")
        #expect(problems.count == 201)
        #expect(problems.last == "d 300 more")
    }

    @Test func columnsCountCharacters() {
        #expect(
            ProblemTests.problems("version: 1\nnode: {name: \"äöü€😀\", zone: []}") == [
                "2:29: node.zone: is a list, expected a name"
            ])
    }

    @Test func aValuesLengthIsBoundedInMessages() {
        let long = String(repeating: "x", count: 100_000)
        let problems = ProblemTests.problems("version: 1\nworkers: \(long)\n\(long.prefix(1000)): 1\n")
        #expect(problems.count == 2)
        #expect(problems.allSatisfy { $0.count < 400 })
    }
}
