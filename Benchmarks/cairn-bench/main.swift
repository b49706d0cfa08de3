import Node
print("cairn-bench: not yet")
