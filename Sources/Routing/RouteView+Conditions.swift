import HTTP
import Model
import Patterns

// MARK: conditions

extension RouteView {
    /// Whether a request meets all of `match`.
    func holds(
        _ match: MatchRecord, _ request: Request, _ head: borrowing MessageHead, _ scratch: inout PatternScratch
    ) -> Bool {
        guard match.methods & request.methodBit != 0 else { return false }
        for index in match.conditions.indices {
            if !holds(conditions[index], request, head, &scratch) { return false }
        }
        return true
    }

    func holds(
        _ condition: ConditionRecord, _ request: Request, _ head: borrowing MessageHead,
        _ scratch: inout PatternScratch
    ) -> Bool {
        switch condition.subject {
        case .header: headerHolds(condition, head, &scratch)
        case .host:
            head.authority.isNone
                ? condition.test == .absent : passes(condition, head.bytes(head.authority), &scratch)
        case .query: queryHolds(condition, head.bytes(request.query), &scratch)
        case .path: !request.path.isNone && passes(condition, head.bytes(request.path), &scratch)
        case .method: head.method != .other || isOneOf(condition.value, head.bytes(head.methodText))
        }
    }

    private func headerHolds(
        _ condition: ConditionRecord, _ head: borrowing MessageHead, _ scratch: inout PatternScratch
    ) -> Bool {
        var next = 0
        while let index = self.index(of: condition, in: head, from: next) {
            if condition.test == .absent { return false }
            if passes(condition, head.bytes(head.field(index).value), &scratch) { return true }
            next = index + 1
        }
        return condition.test == .absent
    }

    private func index(of condition: ConditionRecord, in head: borrowing MessageHead, from: Int) -> Int? {
        if condition.known != .other { return head.index(of: condition.known, from: from) }
        // The texts live as long as the tables.
        let name = unsafe texts.bytes(condition.name)
        return unsafe head.index(named: Span(_unsafeElements: name), from: from)
    }

    private func queryHolds(
        _ condition: ConditionRecord, _ query: borrowing Span<UInt8>, _ scratch: inout PatternScratch
    ) -> Bool {
        var start = 0
        while start < query.count {
            var (end, equals) = (start, -1)
            while end < query.count, query[end] != UInt8(ascii: "&") {
                if equals < 0, query[end] == UInt8(ascii: "=") { equals = end }
                end &+= 1
            }
            let nameEnd = equals < 0 ? end : equals
            if nameEnd - start == condition.name.count, equal(condition.name, query, start, nameEnd - start) {
                if condition.test == .absent { return false }
                let value = query.extracting((equals < 0 ? end : equals + 1)..<end)
                if passes(condition, value, &scratch) { return true }
            }
            start = end + 1
        }
        return condition.test == .absent
    }

    private func passes(
        _ condition: ConditionRecord, _ value: borrowing Span<UInt8>, _ scratch: inout PatternScratch
    ) -> Bool {
        switch condition.test {
        case .exact: value.count == condition.value.count && equal(condition.value, value, 0, value.count)
        case .prefix:
            value.count >= condition.value.count && equal(condition.value, value, 0, condition.value.count)
        case .regex: scratch.matches(patterns[Int(condition.pattern)], value)
        case .present: true
        case .absent, .oneOf: false
        }
    }

    private func isOneOf(_ range: IndexRange, _ text: borrowing Span<UInt8>) -> Bool {
        for index in range.indices where words[index].count == text.count {
            if equal(words[index], text, 0, text.count) { return true }
        }
        return false
    }
}

// MARK: texts

extension RouteView {
    /// Whether the text is the `count` bytes of `other` from `start` on. Both have as many.
    @inline(__always)
    func equal(_ text: IndexRange, _ other: borrowing Span<UInt8>, _ start: Int, _ count: Int) -> Bool {
        // The texts live as long as the tables.
        let bytes = unsafe texts.bytes(text)
        var place = 0
        while place < count {
            // In bounds: `count` is the text's.
            if unsafe bytes[place] != other[start &+ place] { return false }
            place &+= 1
        }
        return true
    }

    /// The same with `other` in lower case.
    @inline(__always)
    func equalLowered(_ text: IndexRange, _ other: borrowing Span<UInt8>, _ start: Int, _ count: Int) -> Bool {
        // The texts live as long as the tables.
        let bytes = unsafe texts.bytes(text)
        var place = 0
        while place < count {
            // In bounds: `count` is the text's.
            if unsafe bytes[place] != other[start &+ place].lowered { return false }
            place &+= 1
        }
        return true
    }
}
