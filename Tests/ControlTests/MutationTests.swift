import Foundation
import Model
import Testing

@testable import Control

/// Random damage to valid files: the loader answers with a configuration or with problems that have a place in the
/// file, and never traps. The seed of a failing run is in its message.
struct MutationTests {
    @Test func damagedExamplesGiveAnAnswer() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix(state: seed)
        let examples = try ExampleConfigurationTests.files().map { file in
            try Array(Data(contentsOf: ExampleConfigurationTests.directory.appending(path: file)))
        }
        let cases = try ProblemCase.all().map { Array($0.document.utf8) }
        for round in 0..<1500 {
            guard var bytes = (examples + cases).randomElement(using: &random) else { return }
            for _ in 0...Int.random(in: 0...4, using: &random) { Self.mutate(&bytes, &random) }
            check(bytes, "seed \(seed), round \(round)")
        }
    }

    /// Files that fuzzing kept: each reached something that the others did not.
    @Test func fuzzCorpusGivesAnAnswer() throws {
        let directory = ExampleConfigurationTests.directory.deletingLastPathComponent()
            .appending(path: "tools/fuzz/corpus/config")
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(!files.isEmpty)
        for file in files { check(Array(try Data(contentsOf: directory.appending(path: file))), file) }
    }

    private func check(_ bytes: [UInt8], _ what: String) {
        // YAML's line breaks are more than \n.
        let lines =
            String(decoding: bytes, as: UTF8.self).unicodeScalars.count {
                "\n\r\u{85}\u{2028}\u{2029}".unicodeScalars.contains($0)
            } + 1
        do {
            let loader = ConfigurationLoader(file: "f", environment: ["NODE_NAME": "node-a"])
            _ = try loader.load(bytes)
        } catch {
            let problems = error
            #expect(!problems.problems.isEmpty, "\(what)")
            let places = problems.problems.allSatisfy { (1...lines + 1).contains($0.line) && $0.column >= 1 }
            #expect(places, "\(what): \(problems)")
        }
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        guard !bytes.isEmpty else { return }
        let index = Int.random(in: 0..<bytes.count, using: &random)
        let length = Int.random(in: 1...40, using: &random)
        let end = min(bytes.count, index + length)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.removeSubrange(index..<end)
        case 2: bytes.insert(contentsOf: bytes[index..<end], at: Int.random(in: 0...bytes.count, using: &random))
        case 3: bytes.insert(Array("*&:{}[]-?|>'\"%$\n\t ,#!~<0".utf8).randomElement(using: &random) ?? 0, at: index)
        case 4:
            bytes.insert(contentsOf: Array(Self.fragments.randomElement(using: &random)?.utf8 ?? "".utf8), at: index)
        default: bytes.removeSubrange(end...)
        }
    }

    private static let fragments = [
        "&a ", "*a", "<<: *a", "\n? ", "${", "${NODE_NAME}", "$${", "!!str ", "\n---\n", "null", "~", "0x", "-1", "é",
        "\u{2028}", "99999999999999999999", "::", "0.0.0.0/0", "1.5h", "%", "[]", "{}", "\r\n", "|\n  ",
    ]
}

/// A small random generator with a seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
