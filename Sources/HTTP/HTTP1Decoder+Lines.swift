/// Lines: when one may be read, and what an unfinished or refused one means.
extension HTTP1Decoder {
    /// What was found in a line.
    enum Step: BitwiseCopyable, Equatable {
        /// It is complete; the next one begins there.
        case next(Int)
        /// Its end is not there yet.
        case incomplete
        /// What is wrong, and where.
        case refused(Violation.Kind, Int)
    }

    /// Whether reading the first line of `input` can lead to anything: yes, if it is seen for the first time. Else its end,
    /// or something that cannot be in it, must have come since. `isFull`: the line may not become longer.
    @inline(__always) mutating func canRead(_ input: Span<UInt8>, isFull: Bool) -> Bool {
        scanned == 0 || canGoOn(input, isFull: isFull)
    }

    private mutating func canGoOn(_ input: Span<UInt8>, isFull: Bool) -> Bool {
        if isFull || Self.hasControl(input, scanned - 1) { return true }
        scanned = input.count
        return false
    }

    /// What follows from `step`, the outcome for the line at `start`. A line is refused when a control byte has come or the
    /// limit is reached, not before: so it does not matter how it is split.
    @inline(__always) mutating func settle(
        _ step: Step, _ input: Span<UInt8>, _ start: Int, isFull: Bool, over limit: Violation.Kind
    ) -> Step {
        if case .next = step {
            scanned = 0
            return step
        }
        return settleUnfinished(step, input, start, isFull: isFull, over: limit)
    }

    @inline(never) mutating func settleUnfinished(
        _ step: Step, _ input: Span<UInt8>, _ start: Int, isFull: Bool, over limit: Violation.Kind
    ) -> Step {
        if case .refused = step, isFull || Self.hasControl(input, start) { return step }
        if isFull { return .refused(limit, input.count) }
        scanned = input.count &- start
        return .incomplete
    }

    /// Whether there is a control byte (not the tab) from `start` on.
    private static func hasControl(_ input: Span<UInt8>, _ start: Int) -> Bool {
        controlIndex(input, start) < input.count
    }

    /// The first control byte (not the tab) from `start` on, or the input's end or some place behind it.
    static func controlIndex(_ input: Span<UInt8>, _ start: Int) -> Int {
        var index = start
        while index < input.count {
            let first = input.lanes(at: index).valueEnds.first
            index &+= first
            if first < MemoryLayout<Lanes>.size { break }
        }
        return index
    }

    /// The end of a line at `index`, where something has stopped that ends at control bytes.
    @inline(__always) static func lineEnd(_ input: Span<UInt8>, _ index: Int) -> Step {
        if index &+ 1 < input.count && input[index] == 0x0d && input[index &+ 1] == 0x0a { return .next(index &+ 2) }
        return brokenLineEnd(input, index)
    }

    @inline(never) private static func brokenLineEnd(_ input: Span<UInt8>, _ index: Int) -> Step {
        guard index < input.count else { return .incomplete }
        switch input[index] {
        case 0x0d: return index + 1 < input.count ? .refused(.bareCarriageReturn, index) : .incomplete
        case 0x0a: return .refused(.bareLineFeed, index)
        default: return .refused(.controlCharacter, index)
        }
    }
}
