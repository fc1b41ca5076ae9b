import HTTPChecks

/// libFuzzer's entry: any bytes are requests, responses and a path, or are refused.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHTTP1(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    // Sound: libFuzzer owns `count` bytes there during the call; they are copied.
    let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
    if let problem = FuzzInput(input).check() { preconditionFailure(problem) }
    return 0
}
