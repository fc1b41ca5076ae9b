import HTTP
import HTTPChecks
import Testing

/// Fields: found, added, replaced, taken out; and the memory they take.
struct MessageHeadTests {
    @Test func everyKnownNameIsFoundAndNoOther() {
        for name in HeaderName.allCases where name != .other {
            let text = Array("\(name.text)".utf8)
            for bytes in [text, text.dropLast() + [0x7a], text + [0x7a], Array(text.dropFirst())] {
                var head = MessageHead()
                head.append(bytes.span, Self.bytes("v").span)
                let known = head.field(0).known
                if bytes == text {
                    #expect(known == name, "\(name.text)")
                } else {
                    #expect(known != name, "\(String(decoding: bytes, as: UTF8.self))")
                }
            }
        }
    }

    @Test func namesOnTheWireAreFoundInAnyCase() {
        for name in HeaderName.allCases
        where ![.other, .contentLength, .transferEncoding, .host, .connection, .expect].contains(name) {
            let text = "GET / HTTP/1.1\r\nHost: a\r\n\("\(name.text)".uppercased()): v\r\n\r\n"
            #expect(Transcript.requests(Array(text.utf8)).lines[0].contains("\(name)"), "\(text)")
        }
    }

    @Test func editing() {
        var head = Self.head(["a: 1", "cookie: x", "b: 2", "a: 3", "cookie: y"])
        head.remove(.cookie)
        #expect(Self.list(head) == ["a: 1", "b: 2", "a: 3"])
        head.remove(named: Self.bytes("a").span)
        #expect(Self.list(head) == ["b: 2"])
        head.remove(named: Self.bytes("nobody").span)
        head.remove(.server)
        head.set(Self.bytes("b").span, Self.bytes("4").span)
        head.set(.server, Self.bytes("apus").span)
        head.append(.server, Self.bytes("2").span)
        #expect(Self.list(head) == ["b: 4", "server: apus", "server: 2"])
        head.set(Self.bytes("server").span, Self.bytes("").span)
        #expect(Self.list(head) == ["b: 4", "server: "])
        let index = head.index(named: Self.bytes("server").span)
        let missing = head.index(named: Self.bytes("b").span, from: 1)
        let known = head.value(.server)
        #expect(index == 1 && missing == nil && known?.isEmpty == true)
    }

    @Test func bytesThatEndALineAreNotLetThrough() {
        var head = MessageHead()
        head.append(Self.bytes("a").span, Self.bytes("1\r\nb: 2\0").span)
        head.setPath(Self.bytes("/a b\r\n").span)
        head.setAuthority(Self.bytes("h\n").span)
        #expect(Self.list(head) == ["a: 1  b: 2 "])
        #expect(Transcript.text(head, head.path) == "\"/a_b__\"" && Transcript.text(head, head.authority) == "\"h_\"")
    }

    @Test func rangesThatAreNoneHaveNoBytes() {
        let head = MessageHead()
        let (none, capacity) = (head.bytes(.none).count, head.capacity)
        #expect(none == 0 && capacity == 0)
    }

    @Test func memoryIsKeptUpToABound() {
        var head = MessageHead()
        for _ in 0..<3 {
            head.removeAll()
            for index in 0..<20 { head.append(Self.bytes("name-\(index)").span, Self.bytes("value").span) }
        }
        let small = head.capacity
        head.removeAll()
        let kept = head.capacity
        #expect(small > 0 && kept == small)
        head.append(Self.bytes("name").span, [UInt8](repeating: 0x61, count: 30_000).span)
        let large = head.capacity
        head.removeAll()
        let (left, fields) = (head.capacity, head.fieldCount)
        #expect(large >= 30_000 && left == 0 && fields == 0)
    }

    // MARK: - words

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    static func head(_ fields: [String]) -> MessageHead {
        var head = MessageHead()
        for field in fields {
            let parts = field.split(separator: ":", maxSplits: 1)
            head.append(bytes(String(parts[0])).span, bytes(parts[1].drop { $0 == " " }.description).span)
        }
        return head
    }

    private static func list(_ head: borrowing MessageHead) -> [String] {
        (0..<head.fieldCount).map { index in
            let field = head.field(index)
            let (name, value) = (Transcript.text(head, field.name), Transcript.text(head, field.value))
            return "\(name.dropFirst().dropLast()): \(value.dropFirst().dropLast())"
        }
    }
}
