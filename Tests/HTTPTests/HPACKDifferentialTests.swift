import Foundation
import Testing

@testable import HTTP

/// Against python-hpack, which others wrote: random fields both ways, with tables that change their size.
struct HPACKDifferentialTests {
    /// Decodes blocks and encodes lists of fields: a line in, a line out, all in hexadecimal digits.
    private static let program = #"""
        import random, sys
        from hpack import Decoder, Encoder, HeaderTuple, NeverIndexedHeaderTuple

        def words(fields):
            return " ".join(
                f"{n.hex()}:{v.hex()}:{int(isinstance(f, NeverIndexedHeaderTuple))}"
                for f in fields for n, v in [f])

        mode, limit, rounds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
        if mode == "decode":
            decoder = Decoder(max_header_list_size=1 << 20)
            decoder.max_allowed_table_size = limit
            for line in sys.stdin:
                print(words(decoder.decode(bytes.fromhex(line), raw=True)))
        else:
            random = random.Random(seed)
            names = [f"x-{i}" for i in range(20)] + ["accept", "x-" + "long" * 30, "cookie-jar", "user-agent", "!#$%&'*+.^_`|~0z"]
            names = [n.encode() for n in names]
            encoder = Encoder()
            encoder.header_table_size = min(limit, 4096)
            for _ in range(rounds):
                if random.random() < 0.2:
                    for _ in range(random.randint(1, 3)):
                        # The same size again would have it forget to tell of the one before.
                        sizes = {0, 40, 100, min(512, limit), limit} - {encoder.header_table_size}
                        encoder.header_table_size = random.choice(sorted(sizes))
                fields = []
                for _ in range(random.randint(0, 12)):
                    name = random.choice(names)
                    if random.random() < 0.6:
                        value = b"value %d" % random.randint(0, 9)
                    else:
                        inner = bytes(random.choice([9, 32] + list(range(33, 127)) + list(range(128, 256)))
                                      for _ in range(random.choice([0, 1, 5, 40, 200])))
                        value = (b"<" + inner + b">") if inner else b""
                    kind = NeverIndexedHeaderTuple if random.random() < 0.1 else HeaderTuple
                    if kind is NeverIndexedHeaderTuple:
                        # Of a value that is in its table already it would send the index.
                        value = b"secret %d" % random.getrandbits(60)
                    fields.append(kind(name, value))
                block = encoder.encode(fields, huffman=random.random() < 0.6)
                print(block.hex() + "|" + words(fields))
        """#

    @Test(arguments: [256, 4096, 16384]) func weReadWhatPythonWrites(limit: Int) throws {
        let seed = Int.random(in: 0...1 << 30)
        let lines = try Self.run(["encode", "\(limit)", "300", "\(seed)"], input: "")
        #expect(lines.count == 300)
        var reader = BlockReader(.response, tableSize: limit)
        for line in lines {
            let parts = line.split(separator: "|", omittingEmptySubsequences: false)
            let fields = reader.read(hex(String(parts[0])))
            #expect(fields == Self.fields(parts[1]) && reader.problem == nil, "seed \(seed)")
        }
    }

    @Test(arguments: [256, 4096, 16384]) func pythonReadsWhatWeWrite(limit: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed)
        var encoder = HPACKEncoder(sizeLimit: limit)
        encoder.setPeerSize(limit)
        var blocks: [String] = []
        var expected: [[String]] = []
        for _ in 0..<300 {
            if Int.random(in: 0..<5, using: &random) == 0 {
                for _ in 0...Int.random(in: 0...2, using: &random) {
                    encoder.setPeerSize([0, 40, 100, 512, limit].randomElement(using: &random) ?? limit)
                }
            }
            var head = MessageHead()
            Self.fill(&head, &random)
            var output = OutputBytes()
            encoder.begin(&output.buffer)
            encoder.fields(of: head, takesTrailers: false, into: &output.buffer)
            blocks.append(output.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
            expected.append((0..<head.fieldCount).map { BlockReader.line(head.field($0), head) })
        }
        let lines = try Self.run(["decode", "\(limit)", "0", "0"], input: blocks.joined(separator: "\n") + "\n")
        #expect(lines.count == blocks.count)
        for (line, fields) in zip(lines, expected) { #expect(Self.fields(line[...]) == fields, "seed \(seed)") }
        // What repeats is an index: else the fields alone would be some 100,000 bytes.
        #expect(blocks.reduce(0) { $0 + $1.count / 2 } < (limit == 256 ? 100_000 : 75_000))
    }

    // MARK: - helpers

    /// Fields as in the program: some that repeat, some that do not, some that no table may hold.
    private static func fill(_ head: inout MessageHead, _ random: inout SeededRandom) {
        let known: [HeaderName] = [.userAgent, .accept, .authorization, .cookie, .setCookie, .date, .server, .etag]
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            let bytes: [UInt8] =
                Int.random(in: 0..<10, using: &random) < 6
                ? Array("value \(Int.random(in: 0...9, using: &random))".utf8)
                : (0..<([0, 1, 5, 40, 200].randomElement(using: &random) ?? 0)).map { _ in
                    UInt8.random(in: 0x21...0xfe, using: &random) | 0x21
                }
            if Bool.random(using: &random), let name = known.randomElement(using: &random) {
                head.append(name, bytes.span)
            } else {
                head.append(Array("x-\(Int.random(in: 0...20, using: &random))".utf8).span, bytes.span)
            }
            guard let last = (0..<head.fieldCount).last else { continue }
            var field = head.field(last)
            if Int.random(in: 0..<10, using: &random) == 0 { field.flags |= HeaderField.neverIndexed }
            // What is guessable goes as if it had been said so.
            let isShortCookie = field.known == .cookie || field.known == .setCookie ? field.value.count < 20 : false
            if field.known == .authorization || isShortCookie { field.flags |= HeaderField.neverIndexed }
            head.setField(last, field)
        }
    }

    /// The fields of a line of the program.
    private static func fields(_ line: Substring) -> [String] {
        line.split(separator: " ").map { word in
            let parts = word.split(separator: ":", omittingEmptySubsequences: false)
            let bytes = parts.prefix(2).map { String(hex(String($0)).map { Character(Unicode.Scalar($0)) }) }
            return bytes.joined(separator: ": ") + (parts[2] == "1" ? " (never indexed)" : "")
        }
    }

    /// Debian's python3-hpack.
    private static func run(_ arguments: [String], input: String) throws -> [String] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "hpack-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (source, target) = (folder.appending(path: "input"), folder.appending(path: "output"))
        try Data(input.utf8).write(to: source)
        try Data().write(to: target)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", program] + arguments
        process.standardInput = try FileHandle(forReadingFrom: source)
        process.standardOutput = try FileHandle(forWritingTo: target)
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "needs python3-hpack (tools/setup)")
        let text = try String(contentsOf: target, encoding: .utf8)
        return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }
}
