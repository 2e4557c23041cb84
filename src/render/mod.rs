//! Values into text. Nothing here decides and nothing here prints.
