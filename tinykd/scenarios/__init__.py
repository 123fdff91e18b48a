"""Small applications, built only on the rooms of the package: customer service, finance, recommendation."""
