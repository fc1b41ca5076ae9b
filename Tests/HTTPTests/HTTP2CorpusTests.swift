import Foundation
import HTTPChecks
import Testing

/// The corpora of the fuzz targets `http2` and `hpack`, replayed, and changed a little.
struct HTTP2CorpusTests {
    private static func files(_ target: String) throws -> [(name: String, bytes: [UInt8])] {
        let corpus = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../tools/fuzz/corpus/\(target)").standardized
        return try FileManager.default.contentsOfDirectory(at: corpus, includingPropertiesForKeys: nil).map {
            ($0.lastPathComponent, Array(try Data(contentsOf: $0)))
        }
    }

    private static func check(_ target: String, _ bytes: [UInt8]) -> String? {
        let input = HTTP2FuzzInput(bytes)
        return target == "http2" ? input.check() : input.checkBlocks()
    }

    @Test(arguments: ["http2", "hpack"]) func everyInputIsReadOrRefused(target: String) throws {
        let files = try Self.files(target)
        #expect(files.count >= 100)
        for file in files { #expect(Self.check(target, file.bytes) == nil, "\(file.name)") }
    }

    @Test(arguments: ["http2", "hpack"]) func inputsWithBytesChangedAreReadOrRefused(target: String) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed)
        for file in try Self.files(target).shuffled(using: &random).prefix(100) where !file.bytes.isEmpty {
            var bytes = file.bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            #expect(Self.check(target, bytes) == nil, "\(file.name), seed \(seed)")
        }
    }
}
