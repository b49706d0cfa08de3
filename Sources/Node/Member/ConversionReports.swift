// What the log says while the store's file is brought to this version's format: a start that takes
// long tells why.

import Logging
import Storage

extension ConversionEvent {
    func log(to logger: Logger) {
        switch self {
        case .began(let bytes):
            logger.info(
                "the store's file has no checksums: writing it anew with checksums",
                metadata: .fields(["current-db-size-bytes": .int(bytes)]))
        case .wrote(let records):
            logger.info(
                "writing the store's file with checksums",
                metadata: .fields(["records": .int(Int64(records))]))
        case .finished(let records):
            logger.info(
                "the store's file has checksums now",
                metadata: .fields(["records": .int(Int64(records))]))
        }
    }
}
