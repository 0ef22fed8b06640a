// Package sqlcgen is what sqlc generates from ../queries and ../migrations:
// one function per query, for pgx or whatever looks like it. Only package
// store imports it, and nothing here is edited by hand but this file.
package sqlcgen
