import Foundation
import Model
import Proxy
import Syscalls
import Testing

@testable import HandOver

/// Broken frames, out of whole ones: a process that takes over must survive whatever the other one says.
struct MutationTests {
    private static let corpus = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../tools/fuzz/corpus/handover").standardized

    @Test func framesOfTheCorpusWithBytesChangedAreReadOrRefused() throws {
        let files = try FileManager.default.contentsOfDirectory(at: Self.corpus, includingPropertiesForKeys: nil)
        #expect(files.count >= 6)
        var random = SystemRandomNumberGenerator()
        var (read, refused) = (0, 0)
        for file in files {
            let whole = Array(try Data(contentsOf: file))
            #expect((try? Self.read(whole)) != nil, "\(file.lastPathComponent)")
            for _ in 0..<300 {
                var bytes = whole
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                if (try? Self.read(bytes)) == nil { refused += 1 } else { read += 1 }
            }
        }
        #expect(refused > 100 && read > 10, "\(read) read, \(refused) refused")
    }

    private static func read(_ bytes: [UInt8]) throws {
        let header = try Frame.read(header: Array(bytes.prefix(Frame.headerSize)))
        let rest = bytes.dropFirst(Frame.headerSize)
        var frame = Frame(kind: header.kind, text: Array(rest.prefix(header.text)))
        frame.bytes = Array(rest.dropFirst(header.text).prefix(header.bytes))
        frame.descriptors = (0..<(bytes.last ?? 0)).map { _ in Descriptor.Parcel(Descriptor(taking: -1)) }
        switch frame.kind {
        case .hello: _ = try frame.message(Hello.self)
        case .welcome: _ = try frame.message(Welcome.self)
        case .done: _ = try frame.message(Done.self)
        case .totals: _ = try frame.message(News.self)
        case .verdicts: _ = try frame.message(Verdicts.self)
        case .refusal, .ready: break
        case .tunnels:
            let batch = try Batch(frame)
            for index in batch.states.indices { _ = batch.content(index) }
        }
    }
}
