import HTTPChecks

/// libFuzzer's entry: any bytes are field blocks of requests, or are refused; what is understood can be sent on.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHPACK(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    // Sound: libFuzzer owns `count` bytes there during the call; they are copied.
    let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
    if let problem = HTTP2FuzzInput(input).checkBlocks() { preconditionFailure(problem) }
    return 0
}
