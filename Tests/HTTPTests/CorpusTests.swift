import Foundation
import HTTPChecks
import Smuggling
import Testing

/// The fuzz target's corpus, replayed, and changed a little.
struct CorpusTests {
    private static let corpus = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../tools/fuzz/corpus/http1").standardized

    private static func files() throws -> [(name: String, bytes: [UInt8])] {
        try FileManager.default.contentsOfDirectory(at: corpus, includingPropertiesForKeys: nil).map {
            ($0.lastPathComponent, Array(try Data(contentsOf: $0)))
        }
    }

    @Test func everyInputIsReadOrRefused() throws {
        let files = try Self.files()
        #expect(files.count >= 100)
        for file in files { #expect(FuzzInput(file.bytes).check() == nil, "\(file.name)") }
    }

    @Test func inputsWithBytesChangedAreReadOrRefused() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed)
        for file in try Self.files().shuffled(using: &random).prefix(100) where !file.bytes.isEmpty {
            var bytes = file.bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            #expect(FuzzInput(bytes).check() == nil, "\(file.name), seed \(seed)")
        }
    }
}
