// What a request may not ask for, whatever the store holds (reference: semantics.md, errors.tsv).

import API
import Storage

func checkPut(_ request: PutRequest) throws(RequestRefusal) {
    guard !request.key.isEmpty else { throw RequestRefusal(.emptyKey) }
    if request.ignoreValue && !request.value.isEmpty { throw RequestRefusal(.valueProvided) }
    if request.ignoreLease && request.lease != .none { throw RequestRefusal(.leaseProvided) }
}

func checkDeleteRange(_ request: DeleteRangeRequest) throws(RequestRefusal) {
    guard !request.key.isEmpty else { throw RequestRefusal(.emptyKey) }
}

func checkRange(_ request: RangeRequest) throws(RequestRefusal) {
    guard !request.key.isEmpty else { throw RequestRefusal(.emptyKey) }
    guard request.sortOrder != nil, request.sortTarget != nil else {
        throw RequestRefusal(.invalidSortOption)
    }
}

/// What RangeStream does not do, beyond `checkRange`. (Order NONE with another target than KEY passes,
/// and is not heeded.)
func checkRangeStream(_ request: RangeRequest) throws(RequestRefusal) {
    let isInKeyOrder = request.sortOrder == .ascend && request.sortTarget == .key
    guard request.sortOrder == SortOrder.none || isInKeyOrder else {
        throw RequestRefusal(.rangeStreamSortOrder)
    }
    guard RevisionFilter(request).isOff else { throw RequestRefusal(.rangeStreamRevisionFilter) }
}
