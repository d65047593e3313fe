package lab

// ContainerUser is a user that no password file knows. As a group it may read the mounted key.
const ContainerUser = 12345
