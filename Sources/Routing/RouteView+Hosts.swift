import HTTP
import Model

// MARK: virtual hosts by domain

extension RouteView {
    /// The virtual host of the most specific domain.
    func virtualHost(_ table: TableRecord, _ index: Int, _ head: borrowing MessageHead) -> Int? {
        let authority = head.bytes(head.authority)
        let (count, port) = Self.split(authority)
        if count > 0, count <= Domain.bytesMax {
            if table.hasExact, let host = exactHost(index, authority, count, port) { return host }
            if let host = suffixHost(table, index, authority, count, port) { return host }
            if let host = prefixHost(table, index, authority, count, port) { return host }
        }
        return domain(TextHash(), index, .any, port, authority, 0, 0)
    }

    private func exactHost(_ table: Int, _ host: borrowing Span<UInt8>, _ count: Int, _ port: UInt16) -> Int? {
        var hash = TextHash()
        for place in 0..<count { hash.append(host[place].lowered) }
        return domain(hash, table, .exact, port, host, 0, count)
    }

    /// The longest one: found last, since lengths ascend.
    private func suffixHost(
        _ table: TableRecord, _ index: Int, _ host: borrowing Span<UInt8>, _ count: Int, _ port: UInt16
    ) -> Int? {
        var found: Int?
        var hash = TextHash()
        var length = 0
        for place in table.suffixLengths.indices {
            let next = Int(lengths[place])
            if next >= count { break }
            while length < next {
                length &+= 1
                hash.append(host[count - length].lowered)
            }
            found = domain(hash, index, .suffix, port, host, count - length, length) ?? found
        }
        return found
    }

    private func prefixHost(
        _ table: TableRecord, _ index: Int, _ host: borrowing Span<UInt8>, _ count: Int, _ port: UInt16
    ) -> Int? {
        var found: Int?
        var hash = TextHash()
        var length = 0
        for place in table.prefixLengths.indices {
            let next = Int(lengths[place])
            if next >= count { break }
            while length < next {
                hash.append(host[length].lowered)
                length &+= 1
            }
            found = domain(hash, index, .prefix, port, host, 0, length) ?? found
        }
        return found
    }

    /// The host of a domain, the one with the port first.
    private func domain(
        _ hash: TextHash, _ table: Int, _ kind: Domain.Kind, _ port: UInt16, _ text: borrowing Span<UInt8>,
        _ start: Int, _ count: Int
    ) -> Int? {
        if port != 0, let host = lookUp(hash, table, kind.rawValue, port, text, start, count) { return host }
        return lookUp(hash, table, kind.rawValue, 0, text, start, count)
    }

    private func lookUp(
        _ hash: TextHash, _ table: Int, _ kind: UInt8, _ port: UInt16, _ text: borrowing Span<UInt8>, _ start: Int,
        _ count: Int
    ) -> Int? {
        let mask = domainIndex.count - 1
        guard mask >= 0 else { return nil }
        let key = hash.key(scope: table, kind: kind, port: port)
        var place = Int(truncatingIfNeeded: key) & mask
        while domainIndex[place].isUsed {
            let entry = domainIndex[place]
            if entry.hash == key, entry.scope == Int32(truncatingIfNeeded: table), entry.kind == kind,
                entry.port == port, entry.text.count == count, equalLowered(entry.text, text, start, count)
            {
                return Int(entry.value.lower)
            }
            place = (place &+ 1) & mask
        }
        return nil
    }

    /// How many bytes of `host[:port]` are the host, without a dot at its end, and the port: 0 when there is none.
    static func split(_ authority: borrowing Span<UInt8>) -> (count: Int, port: UInt16) {
        var count = authority.count
        var place = count
        // From behind, each digit with its weight; more than six are no port, whatever they say.
        var (port, weight): (UInt64, UInt64) = (0, 1)
        while place > 0, case let digit = authority[place &- 1] &- 0x30, digit < 10 {
            port &+= weight &* UInt64(digit)
            weight = min(weight &* 10, 1_000_000)
            place &-= 1
        }
        if place > 0, authority[place &- 1] == UInt8(ascii: ":") { count = place &- 1 } else { port = 0 }
        if count > 0, authority[count &- 1] == UInt8(ascii: ".") { count &-= 1 }
        return (count, UInt16(exactly: port) ?? 0)
    }
}
