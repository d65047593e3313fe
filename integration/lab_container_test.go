package integration

// containerUser is a user that no password file knows. As a group it may read the mounted key.
const containerUser = 12345
