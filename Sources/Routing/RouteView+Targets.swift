import HTTP
import Model

// MARK: where a rule sends requests

extension RouteView {
    /// One of the targets of the rule with this index, by weight. `random` is 64 fresh random bits.
    public func target(_ rule: Int, random: UInt64) -> ClusterTarget {
        // The high word of the product is uniform below the sum.
        var rest = random.multipliedFullWidth(by: rules[rule].weights).high
        for index in rules[rule].targets.indices {
            let target = targets[index]
            let weight = UInt64(max(0, target.weight))
            if rest < weight { return ClusterTarget(cluster: target.cluster, subset: target.subset) }
            rest -= weight
        }
        return ClusterTarget(cluster: -1, subset: -1)
    }

    /// The rule's mirrors: indices for `mirror`.
    public func mirrors(_ rule: Int) -> Range<Int> { rules[rule].mirrors.indices }

    /// Who gets a copy, and of how many requests.
    public func mirror(_ index: Int) -> RouteMirror { mirrorRecords[index] }

    /// The body of a rule that responds.
    public func directBody(_ rule: RuleRecord) -> RecordView<UInt8> { texts.slice(rule.body) }

    /// What `hashOn` of the rule makes of the request; nil: it has no `hashOn`, or the request not what it names.
    public func hash(_ rule: Int, _ head: borrowing MessageHead, source: IPAddress) -> UInt64? {
        let name = rules[rule].hashName
        return switch rules[rule].hashKey {
        case .none: nil
        case .sourceAddress: Self.mix(Self.mix(source.high) ^ source.low)
        case .path: Self.hash(head.bytes(Request(head).path))
        case .header:
            firstField(name, head).map { Self.hash(head.bytes(head.field($0).value)) }
        case .cookie: cookieHash(name, head)
        }
    }

    private func firstField(_ name: IndexRange, _ head: borrowing MessageHead) -> Int? {
        // The texts live as long as the tables.
        let bytes = unsafe texts.bytes(name)
        return unsafe head.index(named: Span(_unsafeElements: bytes))
    }

    private func cookieHash(_ name: IndexRange, _ head: borrowing MessageHead) -> UInt64? {
        var next = 0
        while let index = head.index(of: .cookie, from: next) {
            let cookies = head.bytes(head.field(index).value)
            var start = 0
            while start < cookies.count {
                var end = start
                while end < cookies.count, cookies[end] != UInt8(ascii: ";") { end &+= 1 }
                while start < end, cookies[start] == UInt8(ascii: " ") { start &+= 1 }
                let valueStart = start + name.count + 1
                if valueStart <= end, cookies[valueStart - 1] == UInt8(ascii: "="),
                    equal(name, cookies, start, name.count)
                {
                    return Self.hash(cookies.extracting(valueStart..<end))
                }
                start = end + 1
            }
            next = index + 1
        }
        return nil
    }

    private static func hash(_ bytes: borrowing Span<UInt8>) -> UInt64 {
        var hash = TextHash()
        for place in bytes.indices { hash.append(bytes[place]) }
        return mix(hash.value)
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = (value ^ (value &>> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed &>> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed &>> 31)
    }
}
