import Buffers

/// What a server of WebSocket answers to a client's key (RFC 6455 4.2.2): the hash of both, in Base64. Over HTTP/2 there is no
/// key, so whoever translates answers it.
public enum WebSocketAccept {
    private static let suffix: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// Appends the 28 characters.
    public static func append(for key: Span<UInt8>, to output: inout OutputBuffer) {
        var message: [UInt8] = []
        for index in key.indices { message.append(key[index]) }
        for index in 0..<suffix.utf8CodeUnitCount { message.append(suffix.byte(index)) }
        Base64.append(SHA1.hash(message), to: &output)
    }
}

/// RFC 3174. Broken as a signature, and none here: it says that the other side speaks WebSocket.
enum SHA1 {
    private static let blockSize = 64

    /// Five words, twenty bytes.
    static func hash(_ message: [UInt8]) -> [UInt32] {
        var padded = message + [0x80]
        let zeros = (2 * blockSize - 8 - padded.count % blockSize) % blockSize
        padded += repeatElement(0, count: zeros)
        let bits = UInt64(message.count) * 8
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            padded.append(UInt8(truncatingIfNeeded: bits >> shift))
        }
        var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
        for start in stride(from: 0, to: padded.count, by: blockSize) {
            add(padded[start..<start + blockSize], to: &state)
        }
        return state
    }

    private static func add(_ block: ArraySlice<UInt8>, to state: inout [UInt32]) {
        var words: [UInt32] = []
        for start in stride(from: block.startIndex, to: block.endIndex, by: 4) {
            words.append(block[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) })
        }
        for index in 16..<80 {
            words.append(rotate(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1))
        }
        var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
        for (index, word) in words.enumerated() {
            let (mixed, constant): (UInt32, UInt32) =
                switch index {
                case 0..<20: (b & c | ~b & d, 0x5a82_7999)
                case 20..<40: (b ^ c ^ d, 0x6ed9_eba1)
                case 40..<60: (b & c | b & d | c & d, 0x8f1b_bcdc)
                default: (b ^ c ^ d, 0xca62_c1d6)
                }
            (a, b, c, d, e) = (rotate(a, 5) &+ mixed &+ e &+ constant &+ word, a, rotate(b, 30), c, d)
        }
        for (index, word) in [a, b, c, d, e].enumerated() { state[index] &+= word }
    }

    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
}
