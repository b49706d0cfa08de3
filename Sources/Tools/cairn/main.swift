import Node
print("cairn: not yet")
