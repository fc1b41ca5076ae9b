import HTTPChecks

/// libFuzzer's entry: any bytes are frames of HTTP/2 to a server or a client, or are refused.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHTTP2(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    // Sound: libFuzzer owns `count` bytes there during the call; they are copied.
    let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
    if let problem = HTTP2FuzzInput(input).check() { preconditionFailure(problem) }
    return 0
}
