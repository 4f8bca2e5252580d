"""The data of the course: emoji pictures, 2-D points with exact scores, drawn scenes, and two public downloads.

=================  =====================================================================================
`emoji`            3,655 emoji pictures with names, at 32 or 64 pixels, split by concept; shipped
=================  =====================================================================================
"""

from lib.data.emoji_pictures import Emoji, EmojiDataError, EmojiSet, emoji

__all__ = ["Emoji", "EmojiDataError", "EmojiSet", "emoji"]
