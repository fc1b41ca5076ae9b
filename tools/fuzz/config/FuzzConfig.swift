import Control
import Model

/// libFuzzer's entry: any bytes are a configuration or have problems; nothing traps, hangs or grows without bound.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfiguration(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    // Sound: libFuzzer owns `count` bytes there during the call; they are copied.
    let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
    let loader = ConfigurationLoader(file: "f", environment: ["NODE_NAME": "node-a", "EMPTY": ""])
    do {
        let configuration = try loader.load(input)
        // Taking over any configuration from any other must not trap either.
        _ = configuration.reload(over: Configuration())
    } catch {
        precondition(!error.problems.isEmpty && !error.description.isEmpty, "refused without a reason")
        precondition(error.problems.allSatisfy { $0.line >= 1 && $0.column >= 1 }, "a problem without a place")
    }
    return 0
}
