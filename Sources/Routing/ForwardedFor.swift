import HTTP
import Model

/// What becomes of `x-forwarded-for` before a request is sent on (`forwardedFor`, `trustedHops` of a listener).
public enum ForwardedFor {
    /// Writes the field as `record` says. `client` is the peer that connected to us. Entries in front of those that trusted
    /// hops wrote can be anybody's words, and `replace` drops them.
    public static func rewrite(_ head: inout MessageHead, _ record: HTTPListenerRecord, client: IPAddress) {
        guard record.forwardedFor != .off else { return }
        let keptMax = record.forwardedFor == .append ? Int.max : record.trustedHops
        // What nearly all requests of an edge are: nothing there, or nothing of it kept.
        let isAlone = keptMax == 0 || head.index(of: .xForwardedFor) == nil
        let entriesBytes = isAlone ? 0 : bytes(of: head)
        // Kept entries, a comma, and the longest address.
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: entriesBytes + addressBytesMax) { memory in
            // Lent for this call.
            var writer = unsafe ValueWriter(memory)
            if !isAlone { copyEntries(of: head, keptMax: keptMax, &writer) }
            if writer.count > 0 {
                writer.append(UInt8(ascii: ","))
                writer.append(UInt8(ascii: " "))
            }
            writer.append(client)
            // As many as were written.
            let value = unsafe UnsafeBufferPointer(rebasing: memory[..<writer.count])
            unsafe head.set(.xForwardedFor, Span(_unsafeElements: value))
        }
    }

    /// The address of the client as `trustedHops` sees it: the entry that the farthest trusted hop wrote; nil: the peer's.
    public static func clientEntry(_ head: borrowing MessageHead, trustedHops: Int) -> ByteRange? {
        guard trustedHops > 0 else { return nil }
        let skipped = max(0, count(head) - trustedHops)
        var found: ByteRange?
        forEachEntry(of: head) { number, range in
            if number == skipped { found = range }
        }
        return found
    }

    private static let addressBytesMax = 48

    private static func bytes(of head: borrowing MessageHead) -> Int {
        var (total, next) = (0, 0)
        while let index = head.index(of: .xForwardedFor, from: next) {
            total += Int(head.field(index).value.count) + 2
            next = index + 1
        }
        return total
    }

    private static func count(_ head: borrowing MessageHead) -> Int {
        var count = 0
        forEachEntry(of: head) { number, _ in count = number + 1 }
        return count
    }

    /// The last `keptMax` entries, in order.
    private static func copyEntries(
        of head: borrowing MessageHead, keptMax: Int, _ writer: inout ValueWriter
    ) {
        let skipped = max(0, count(head) - keptMax)
        var next = 0
        var number = 0
        while let index = head.index(of: .xForwardedFor, from: next) {
            let value = head.field(index).value
            var entry = EntryCursor(value)
            while let range = entry.next(head) {
                if number >= skipped {
                    if writer.count > 0 {
                        writer.append(UInt8(ascii: ","))
                        writer.append(UInt8(ascii: " "))
                    }
                    let bytes = head.bytes(range)
                    for place in bytes.indices { writer.append(bytes[place]) }
                }
                number += 1
            }
            next = index + 1
        }
    }

    private static func forEachEntry(of head: borrowing MessageHead, _ body: (Int, ByteRange) -> Void) {
        var (number, next) = (0, 0)
        while let index = head.index(of: .xForwardedFor, from: next) {
            var entry = EntryCursor(head.field(index).value)
            while let range = entry.next(head) {
                body(number, range)
                number += 1
            }
            next = index + 1
        }
    }
}

/// Walks over the entries of a list in a field's value; empty ones are none.
private struct EntryCursor {
    private let value: ByteRange
    private var place: UInt32 = 0

    init(_ value: ByteRange) { self.value = value }

    mutating func next(_ head: borrowing MessageHead) -> ByteRange? {
        let bytes = head.bytes(value)
        while place < value.count {
            var (start, end) = (Int(place), Int(place))
            while end < bytes.count, bytes[end] != UInt8(ascii: ",") { end += 1 }
            place = UInt32(end + 1)
            while start < end, Self.isSpace(bytes[start]) { start += 1 }
            while end > start, Self.isSpace(bytes[end - 1]) { end -= 1 }
            if end > start { return ByteRange(start: value.start + UInt32(start), count: UInt32(end - start)) }
        }
        return nil
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
