"""Frozen values that every zone may share. Standard library only; nothing here acts."""
