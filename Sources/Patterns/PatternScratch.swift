import CPCRE2

/// What one thread needs to match patterns, and the bounds that hold while it does. No memory until the first match,
/// none for further ones.
///
/// PCRE2's interpreter is used, not its JIT: the JIT does not count steps inside of simple repeats, so that `.*.*.*=` on a
/// long text would run for minutes under any limit; the interpreter counts every one.
@safe public struct PatternScratch: ~Copyable, @unchecked Sendable {
    // Sound to send: the only owner of both.
    private var matchData: OpaquePointer?
    private var context: OpaquePointer?
    private var failuresLeft = Self.failuresMax
    private var overLimitCount = 0

    /// Longer texts match no pattern.
    public static let subjectBytesMax = 4096
    /// Steps of one match. About 0.3 ms at most for what people write.
    static let stepsMax: UInt32 = 10_000
    /// Steps x bytes of one match: a step may walk over the whole text.
    static let workMax = 20_000_000
    /// Matches over the limit in one request; then no pattern matches it any more.
    static let failuresMax = 4
    private static let heapKibibytesMax: UInt32 = 1024

    /// Nothing yet.
    public init() {
        unsafe matchData = nil
        unsafe context = nil
    }

    deinit {
        // The only owner of both; freeing nothing is allowed.
        unsafe pcre2_match_data_free_8(matchData)
        unsafe pcre2_match_context_free_8(context)
    }

    /// To be called before each request.
    public mutating func begin() { failuresLeft = Self.failuresMax }

    /// Matches that were given up because of a limit, since this was last asked.
    public mutating func takeOverLimitCount() -> Int {
        defer { overLimitCount = 0 }
        return overLimitCount
    }

    /// Whether all of `subject` is what `pattern` describes. Over a limit: no, and counted.
    public mutating func matches(_ pattern: PatternHandle, _ subject: Span<UInt8>) -> Bool {
        guard failuresLeft > 0, subject.count <= Self.subjectBytesMax, prepare() else { return giveUp() }
        let steps = min(Self.stepsMax, UInt32(Self.workMax / (subject.count + 1)))
        // The context is ours and no match is running.
        unsafe pcre2_set_match_limit_8(context, steps)
        unsafe pcre2_set_depth_limit_8(context, steps)
        let data = unsafe matchData
        let limits = unsafe context
        // All pointers are valid during the call: `prepare` has made ours, the span is borrowed.
        let result = unsafe subject.withUnsafeBufferPointer { text in
            unsafe pcre2_match_8(
                pattern.code, text.baseAddress ?? Pattern.empty, text.count, 0, 0, data, limits)
        }
        if result >= 0 { return true }
        return result == PCRE2_ERROR_NOMATCH ? false : giveUp()
    }

    private mutating func giveUp() -> Bool {
        failuresLeft -= 1
        overLimitCount += 1
        return false
    }

    private mutating func prepare() -> Bool {
        if unsafe matchData != nil { return true }
        // One pair of offsets: only yes or no is asked.
        unsafe matchData = pcre2_match_data_create_8(1, nil)
        unsafe context = pcre2_match_context_create_8(nil)
        guard unsafe matchData != nil, unsafe context != nil else { return false }
        unsafe pcre2_set_heap_limit_8(context, Self.heapKibibytesMax)
        return true
    }
}
