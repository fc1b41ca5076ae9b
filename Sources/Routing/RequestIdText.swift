import HTTP

/// The value of a request's `x-request-id` as plain bits, so that it can be written while the head it is from changes.
struct RequestIdText: Sendable, BitwiseCopyable {
    /// A UUID has 36; longer ones are cut.
    static let bytesMax = 64
    private var words = SIMD64<UInt8>(repeating: 0)
    /// 0: there is none.
    private(set) var count = 0

    init() {}

    init(_ head: borrowing MessageHead) {
        guard let range = head.value(.xRequestId) else { return }
        let bytes = head.bytes(range)
        count = min(bytes.count, Self.bytesMax)
        for place in 0..<count { words[place] = bytes[place] }
    }

    subscript(place: Int) -> UInt8 { words[place] }
}
