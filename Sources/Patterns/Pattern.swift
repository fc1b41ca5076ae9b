import CPCRE2

/// A compiled regular expression (PCRE2 syntax, on bytes), immutable and shared by all threads. It describes *all* of a
/// text, as if between `\A` and `\z`. How long a match may take is `PatternScratch`'s affair.
@safe public final class Pattern: @unchecked Sendable {
    // Sound to share: PCRE2 does not write to compiled code when it matches (pcre2api, "Multithreading").
    private let code: OpaquePointer

    /// Bytes of a pattern at most.
    public static let bytesMax = 1024

    /// Compiles a pattern.
    public init(_ text: String) throws(PatternFlaw) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.bytesMax else {
            throw PatternFlaw(offset: Self.bytesMax, reason: "longer than \(Self.bytesMax) bytes")
        }
        // `\C` breaks no text of bytes, but is nothing anybody needs; UTF mode would refuse texts that are no UTF-8.
        let options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP
        var (error, offset) = (Int32(0), 0)
        // The bytes are read during the call only; the result is ours.
        let code = unsafe bytes.withUnsafeBufferPointer { pattern in
            unsafe pcre2_compile_8(pattern.baseAddress ?? Self.empty, pattern.count, options, &error, &offset, nil)
        }
        guard let code = unsafe code else { throw PatternFlaw(offset: offset, reason: Self.message(error)) }
        unsafe self.code = code
    }

    deinit {
        // The only owner; whoever keeps a handle keeps this object.
        unsafe pcre2_code_free_8(code)
    }

    /// For matching; good for as long as this object lives.
    public var handle: PatternHandle {
        // The same code; see `deinit`.
        unsafe PatternHandle(code: code)
    }

    /// A place to point at for a text without bytes.
    static var empty: UnsafePointer<UInt8> {
        // A literal's bytes are there for ever.
        unsafe ("" as StaticString).utf8Start
    }

    private static func message(_ error: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        // As long as the count says; PCRE2 ends it with a zero.
        let count = unsafe buffer.withUnsafeMutableBufferPointer { text in
            unsafe pcre2_get_error_message_8(error, text.baseAddress, text.count)
        }
        return String(decoding: buffer.prefix(max(0, Int(count))), as: UTF8.self)
    }
}

/// A `Pattern` as bare bits, for records that workers read.
@safe public struct PatternHandle: @unchecked Sendable, BitwiseCopyable {
    // Sound to share: see `Pattern`, which the holder keeps alive.
    let code: OpaquePointer

    init(code: OpaquePointer) { unsafe self.code = code }
}

/// Why a pattern is none.
public struct PatternFlaw: Error, Sendable, Equatable {
    /// Bytes from the start of the pattern to where reading stopped.
    public let offset: Int
    /// PCRE2's words.
    public let reason: String
}
